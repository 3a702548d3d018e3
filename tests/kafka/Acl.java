// Denies a user to write to a topic, or takes that back: java -cp 'lib/*' Acl.java ADDRESS PRINCIPAL TOPIC deny|allow
// What the user may do beside that is left as it is.

import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

public final class Acl {
    public static void main(String[] args) throws Exception {
        var topic = new ResourcePattern(ResourceType.TOPIC, args[2], PatternType.LITERAL);
        var entry = new AccessControlEntry(args[1], "*", AclOperation.WRITE, AclPermissionType.DENY);
        var binding = new AclBinding(topic, entry);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            if (args[3].equals("deny")) {
                admin.createAcls(List.of(binding)).all().get(20, TimeUnit.SECONDS);
            } else {
                admin.deleteAcls(List.of(binding.toFilter())).all().get(20, TimeUnit.SECONDS);
            }
        }
    }
}
