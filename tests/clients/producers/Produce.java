import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A producer that knows a manager's address alone: it asks for nodes, twice at its start and then every interval, and
 * reports records one by one until its standard input ends.
 *
 * <p>Usage: {@code Produce KIND MANAGER IP GROUP STREAM PREFIX PAUSE_MS INTERVAL_MS}. KIND is {@code sdk}, which does
 * what InLong's Java SDK 2.4.0 does on the wire and with nodes (up to 7 of them, in turn, one that answered 500 or more
 * left for 20 s, and used all the same where there is no other), or {@code random}, which takes any node of the list
 * for each record. MANAGER is {@code http://host:port}; IP is what it says its own address is. Ids are PREFIX and a number;
 * a record is its id, a space and some filling.
 *
 * <p>It prints a line for what became of each record, {@code ID NODE OUTCOME DETAIL}, with the outcomes {@code stored},
 * {@code refused} (surely not stored) and {@code unknown}; a line {@code nodes IP:PORT ...} when the list is another, in
 * the list's order; {@code asked FAILURE} when the manager gave none; and {@code end} as its last.
 */
public final class Produce {
    private static final int MOST_NODES = 7;
    private static final long LEFT_FOR_MS = 20_000;
    private static final int CONNECT_MS = 5_000;
    private static final int ANSWER_MS = 15_000;
    private static final Pattern NODE = Pattern.compile("\\{[^{}]*\\}");

    private final boolean sdk;
    private final URI manager;
    private final String ip;
    private final String group;
    private final String stream;
    private final String prefix;
    private final Random random = new Random();
    private final Map<String, Long> left = new ConcurrentHashMap<>();
    private volatile List<String> nodes = List.of();
    private volatile boolean over;
    private String digest = "";
    private long turn;

    private Produce(String[] args) {
        sdk = switch (args[0]) {
            case "sdk" -> true;
            case "random" -> false;
            default -> throw new IllegalArgumentException(args[0]);
        };
        manager = URI.create(args[1]);
        ip = args[2];
        group = args[3];
        stream = args[4];
        prefix = args[5];
    }

    public static void main(String[] args) throws Exception {
        Produce produce = new Produce(args);
        long pause = Long.parseLong(args[6]);
        long interval = Long.parseLong(args[7]);
        produce.ask();
        produce.ask();
        Thread asking = new Thread(() -> produce.keepAsking(interval));
        asking.setDaemon(true);
        asking.start();
        Thread input = new Thread(produce::readInput);
        input.setDaemon(true);
        input.start();
        for (long number = 0; !produce.over; number++) {
            produce.report(produce.prefix + number);
            Thread.sleep(pause);
        }
        say("end");
    }

    /** The end of its input is the end of whoever wants it. */
    private void readInput() {
        try {
            while (System.in.read() >= 0) {}
        } catch (IOException gone) {
            // That is its end too.
        }
        over = true;
    }

    private void keepAsking(long interval) {
        try {
            while (true) {
                Thread.sleep(interval);
                ask();
            }
        } catch (InterruptedException end) {
            Thread.currentThread().interrupt();
        }
    }

    /** Asks the manager, over a connection of its own, in the bytes of the captured SDK. */
    private void ask() {
        byte[] body = ("ip=" + ip + "&protocolType=HTTP").getBytes(StandardCharsets.UTF_8);
        String head = "POST /inlong/manager/openapi/dataproxy/getIpList/" + group + " HTTP/1.1\r\n"
                + "Content-Length: " + body.length + "\r\n"
                + "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
                + "Host: " + manager.getAuthority() + "\r\n"
                + "Connection: Keep-Alive\r\n\r\n";
        try {
            Answer answer = exchange(new InetSocketAddress(manager.getHost(), manager.getPort()), head, body);
            List<String> told = answer.status == 200 ? listed(answer.body) : List.of();
            if (told.isEmpty()) {
                say("asked " + answer.status + " " + answer.body.replace('\n', ' '));
            } else {
                take(told);
            }
        } catch (IOException failure) {
            say("asked " + failure);
        }
    }

    /** Nodes of a list; those without id, ip or port are left out. */
    private static List<String> listed(String body) {
        int begin = body.indexOf("\"nodeList\"");
        if (begin < 0 || !body.contains("\"success\":true") && !body.contains("\"success\": true")) {
            return List.of();
        }
        List<String> found = new ArrayList<>();
        Matcher objects = NODE.matcher(body.substring(begin));
        while (objects.find()) {
            String id = field(objects.group(), "id");
            String ip = field(objects.group(), "ip");
            String port = field(objects.group(), "port");
            if (id != null && ip != null && port != null) {
                found.add(ip + ":" + port);
            }
        }
        return found;
    }

    private static String field(String object, String name) {
        Matcher value = Pattern.compile("\"" + name + "\"\\s*:\\s*\"?([^\",}]+)").matcher(object);
        return value.find() ? value.group(1).trim() : null;
    }

    /** As the SDK does, a list counts as another when the digest of its sorted nodes is. */
    private synchronized void take(List<String> told) {
        List<String> sorted = new ArrayList<>(told);
        Collections.sort(sorted);
        String now = md5(String.join(";", sorted));
        if (now.equals(digest)) {
            return;
        }
        digest = now;
        say("nodes " + String.join(" ", told));
        if (sdk) {
            Collections.shuffle(sorted, random);
            left.clear();
            nodes = List.copyOf(sorted.subList(0, Math.min(MOST_NODES, sorted.size())));
        } else {
            nodes = List.copyOf(told);
        }
    }

    private static String md5(String text) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** The next node in turn that was not left, or the last one that was; any node for the other kind. */
    private String choose(List<String> now) {
        if (!sdk) {
            return now.get(random.nextInt(now.size()));
        }
        String fallback = null;
        long first = turn++;
        for (int step = 0; step < now.size(); step++) {
            String node = now.get((int) ((first + step) % now.size()));
            Long since = left.get(node);
            if (since == null || System.currentTimeMillis() - since > LEFT_FOR_MS) {
                left.remove(node);
                return node;
            }
            fallback = node;
        }
        return fallback;
    }

    private void report(String id) {
        List<String> now = nodes;
        if (now.isEmpty()) {
            say(id + " - refused no node");
            return;
        }
        String node = choose(now);
        say(id + " " + node + " " + outcome(node, id));
    }

    /** Sends one record over a connection of its own, in the bytes of the captured SDK. */
    private String outcome(String node, String id) {
        byte[] body = ("groupId=" + encoded(group) + "&streamId=" + encoded(stream)
                        + "&dt=" + System.currentTimeMillis() + "&body=" + encoded(id + " filling") + "&cnt=1")
                .getBytes(StandardCharsets.UTF_8);
        String head = "POST /dataproxy/message HTTP/1.1\r\n"
                + "Connection: close\r\n"
                + "Content-Type: application/x-www-form-urlencoded\r\n"
                + "Content-Length: " + body.length + "\r\n"
                + "Host: " + node + "\r\n"
                + "User-Agent: Apache-HttpClient/4.5.13 (Java/17.0.15)\r\n"
                + "Accept-Encoding: gzip,deflate\r\n\r\n";
        int colon = node.lastIndexOf(':');
        InetSocketAddress address =
                new InetSocketAddress(node.substring(0, colon), Integer.parseInt(node.substring(colon + 1)));
        try {
            return judged(node, exchange(address, head, body));
        } catch (Unsent failure) {
            return "refused " + failure.getMessage();
        } catch (IOException failure) {
            return "unknown " + failure;
        }
    }

    private String judged(String node, Answer answer) {
        if (answer.status >= 500) {
            left.put(node, System.currentTimeMillis());
        }
        String code = field(answer.body, "code");
        String detail = answer.status + ":" + code;
        if (code == null || code.equals("119")) {
            return "unknown " + detail;
        }
        return (answer.status == 200 && code.equals("0") ? "stored " : "refused ") + detail;
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    /** Nothing was sent: there was no connection. */
    private static final class Unsent extends IOException {
        private static final long serialVersionUID = 1;

        Unsent(IOException cause) {
            super(cause.toString(), cause);
        }
    }

    private record Answer(int status, String body) {}

    private static Answer exchange(InetSocketAddress address, String head, byte[] body) throws IOException {
        try (Socket socket = new Socket()) {
            try {
                socket.connect(address, CONNECT_MS);
            } catch (IOException failure) {
                throw new Unsent(failure);
            }
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(ANSWER_MS);
            byte[] start = head.getBytes(StandardCharsets.US_ASCII);
            byte[] whole = Arrays.copyOf(start, start.length + body.length);
            System.arraycopy(body, 0, whole, start.length, body.length);
            socket.getOutputStream().write(whole);
            return read(socket.getInputStream());
        }
    }

    /** Reads one answer with a length, or up to the connection's end. */
    private static Answer read(InputStream input) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        String head;
        do {
            int next = input.read();
            if (next < 0) {
                throw new IOException("the connection ended before an answer");
            }
            bytes.write(next);
            head = bytes.toString(StandardCharsets.ISO_8859_1);
        } while (!head.endsWith("\r\n\r\n"));
        int status = Integer.parseInt(head.split(" ", 3)[1]);
        Matcher length = Pattern.compile("(?im)^content-length:\\s*(\\d+)").matcher(head);
        byte[] body = length.find() ? input.readNBytes(Integer.parseInt(length.group(1))) : input.readAllBytes();
        if (length.reset().find() && body.length < Integer.parseInt(length.group(1))) {
            throw new IOException("the connection ended within an answer");
        }
        return new Answer(status, new String(body, StandardCharsets.UTF_8));
    }
}
