import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import java.util.Collections;
import org.dromara.soul.common.dto.AppAuthData;
import org.dromara.soul.common.dto.PluginData;
import org.dromara.soul.sync.data.api.AuthDataSubscriber;
import org.dromara.soul.sync.data.api.PluginDataSubscriber;
import org.dromara.soul.sync.data.http.HttpSyncDataService;
import org.dromara.soul.sync.data.http.config.HttpConfig;
import org.slf4j.LoggerFactory;

/**
 * Syncs plugins and keys of applications from a server of Soul's HTTP long polling, until standard input ends. Prints
 * {@code plugins} or {@code keys} when all of them are refreshed, then a line for each: {@code plugin NAME CONFIG},
 * {@code key APP_KEY}.
 *
 * <p>Usage: {@code Sync URL}.
 */
public final class Sync {
    private Sync() {}

    public static void main(String[] args) throws Exception {
        ((Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME)).setLevel(Level.WARN);
        HttpConfig config = new HttpConfig();
        config.setUrl(args[0]);
        HttpSyncDataService service = new HttpSyncDataService(
                config, new Plugins(), Collections.emptyList(), Collections.singletonList(new Keys()));
        while (System.in.read() >= 0) {}
        service.close();
        System.exit(0);
    }

    private static final class Plugins implements PluginDataSubscriber {
        @Override
        public void refreshPluginDataAll() {
            System.out.println("plugins");
        }

        @Override
        public void onSubscribe(PluginData plugin) {
            System.out.println("plugin " + plugin.getName() + " " + plugin.getConfig());
        }
    }

    private static final class Keys implements AuthDataSubscriber {
        @Override
        public void refresh() {
            System.out.println("keys");
        }

        @Override
        public void onSubscribe(AppAuthData key) {
            System.out.println("key " + key.getAppKey());
        }

        @Override
        public void unSubscribe(AppAuthData key) {}
    }
}
