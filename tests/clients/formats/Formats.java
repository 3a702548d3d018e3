import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.core.v1.CloudEventBuilder;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import io.cloudevents.kafka.CloudEventDeserializer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.inlong.common.msg.InLongMsg;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Reads and writes messages with the released libraries of InLong, CloudEvents and Kafka. Takes a command a
 * line on standard input, a JSON object whose {@code do} names it, and answers each with one line, a JSON
 * object; {@code error} in it says what went wrong. Bytes are base64. It ends with its input.
 */
public final class Formats {
    private static final ObjectMapper JSON = new ObjectMapper();
    /** The JSON of CloudEvents as their library writes it. */
    private static final ObjectMapper EVENTS =
            new ObjectMapper().registerModule(JsonFormat.getCloudEventJacksonModule());
    private static final int TIMEOUT_MS = 20_000;
    private static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    /** Bytes of a message before it says that it is full; its own default is small. */
    private static final int CAPACITY = 1 << 24;

    private Formats() {}

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode answer = JSON.createObjectNode();
            try {
                run(JSON.readTree(line), answer);
            } catch (Exception failure) {
                failure.printStackTrace();
                answer.removeAll().put("error", failure.toString());
            }
            out.println(JSON.writeValueAsString(answer));
        }
    }

    private static void run(JsonNode command, ObjectNode answer) throws Exception {
        String name = command.get("do").asText();
        switch (name) {
            case "parse" -> parse(command, answer);
            case "build" -> build(command, answer);
            case "produce" -> produce(command, answer);
            case "consume" -> consume(command, answer);
            case "send" -> send(command, answer);
            default -> throw new IllegalArgumentException("no command " + name);
        }
    }

    /** {@code message} to its {@code created}, {@code version} and {@code groups}. */
    private static void parse(JsonNode command, ObjectNode answer) throws IOException {
        InLongMsg message = InLongMsg.parseFrom(command.get("message").binaryValue());
        answer.put("version", message.getVersion()).put("created", message.getCreatetime());
        ArrayNode groups = answer.putArray("groups");
        for (String attributes : message.getAttrs()) {
            ArrayNode records = groups.addObject().put("attributes", attributes).putArray("records");
            Iterator<byte[]> all = message.getIterator(attributes);
            while (all.hasNext()) {
                records.add(all.next());
            }
        }
    }

    /** {@code snappy}, {@code created} and {@code groups} to a {@code message}. */
    private static void build(JsonNode command, ObjectNode answer) throws IOException {
        InLongMsg message = InLongMsg.newInLongMsg(CAPACITY, command.get("snappy").asBoolean());
        for (JsonNode group : command.get("groups")) {
            for (JsonNode record : group.get("records")) {
                if (!message.addMsg(group.get("attributes").asText(), record.binaryValue())) {
                    throw new IllegalArgumentException("the message is full");
                }
            }
        }
        answer.put("message", message.buildArray(command.get("created").asLong()));
    }

    /** Sends a record a key of {@code keys} and answers with their {@code partitions}. */
    private static void produce(JsonNode command, ObjectNode answer) throws Exception {
        Map<String, Object> config =
                Map.of(
                        "bootstrap.servers", command.get("servers").asText(),
                        "delivery.timeout.ms", TIMEOUT_MS,
                        "request.timeout.ms", TIMEOUT_MS / 2);
        ByteArraySerializer bytes = new ByteArraySerializer();
        ArrayNode partitions = answer.putArray("partitions");
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config, bytes, bytes)) {
            for (JsonNode key : command.get("keys")) {
                ProducerRecord<byte[], byte[]> record =
                        new ProducerRecord<>(command.get("topic").asText(), key.binaryValue(), new byte[1]);
                partitions.add(producer.send(record).get(TIMEOUT_MS, TimeUnit.MILLISECONDS).partition());
            }
        }
    }

    /** Reads partition 0 of a topic from its begin to its end as {@code events}. */
    private static void consume(JsonNode command, ObjectNode answer) {
        Map<String, Object> config =
                Map.of("bootstrap.servers", command.get("servers").asText(), "default.api.timeout.ms", TIMEOUT_MS);
        TopicPartition partition = new TopicPartition(command.get("topic").asText(), 0);
        ArrayNode events = answer.putArray("events");
        try (KafkaConsumer<byte[], CloudEvent> consumer =
                new KafkaConsumer<>(config, new ByteArrayDeserializer(), new CloudEventDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(TIMEOUT_MS);
            while (consumer.position(partition) < end) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("no end of " + partition + " in time");
                }
                for (ConsumerRecord<byte[], CloudEvent> record : consumer.poll(Duration.ofMillis(200))) {
                    describe(record.value(), events.addObject().put("key", record.key()));
                }
            }
        }
    }

    private static void describe(CloudEvent event, ObjectNode to) {
        ObjectNode attributes = to.putObject("attributes");
        for (String name : event.getAttributeNames()) {
            Object value = event.getAttribute(name);
            if (value != null) {
                attributes.put(name, value.toString());
            }
        }
        ObjectNode extensions = to.putObject("extensions");
        for (String name : event.getExtensionNames()) {
            extensions.put(name, event.getExtension(name).toString());
        }
        to.put("data", event.getData() == null ? null : event.getData().toBytes());
    }

    /** Posts {@code events} to {@code url} in {@code mode}; answers with {@code statuses} and {@code bodies}. */
    private static void send(JsonNode command, ObjectNode answer) throws IOException {
        List<CloudEvent> events = new ArrayList<>();
        for (JsonNode description : command.get("events")) {
            events.add(event(description));
        }
        String mode = command.get("mode").asText();
        if (mode.equals("batch")) {
            Post post = new Post(command.get("url").asText(), answer);
            post.request.header("Content-Type", "application/cloudevents-batch+json");
            post.end(EVENTS.writeValueAsBytes(events));
            return;
        }
        for (CloudEvent event : events) {
            Post post = new Post(command.get("url").asText(), answer);
            MessageWriter<?, ?> writer =
                    HttpMessageFactory.createWriter(post.request::header, post::end);
            if (mode.equals("binary")) {
                writer.writeBinary(event);
            } else {
                writer.writeStructured(event, new JsonFormat());
            }
        }
    }

    private static CloudEvent event(JsonNode description) throws IOException {
        CloudEventBuilder builder = new CloudEventBuilder();
        Iterator<Map.Entry<String, JsonNode>> fields = description.fields();
        while (fields.hasNext()) {
            Map.Entry<String, JsonNode> field = fields.next();
            JsonNode value = field.getValue();
            switch (field.getKey()) {
                case "id" -> builder.withId(value.asText());
                case "source" -> builder.withSource(URI.create(value.asText()));
                case "type" -> builder.withType(value.asText());
                case "subject" -> builder.withSubject(value.asText());
                case "time" -> builder.withTime(OffsetDateTime.parse(value.asText()));
                case "datacontenttype" -> builder.withDataContentType(value.asText());
                case "dataschema" -> builder.withDataSchema(URI.create(value.asText()));
                case "data" -> builder.withData(value.binaryValue());
                default -> extend(builder, field.getKey(), value);
            }
        }
        return builder.build();
    }

    private static void extend(CloudEventBuilder builder, String name, JsonNode value) {
        if (value.isInt()) {
            builder.withExtension(name, value.asInt());
        } else if (value.isBoolean()) {
            builder.withExtension(name, value.asBoolean());
        } else {
            builder.withExtension(name, value.asText());
        }
    }

    /** One HTTP request. It has no header that nobody gave it. */
    private static final class Post {
        private final HttpRequest.Builder request;
        private final ObjectNode answer;

        Post(String url, ObjectNode answer) {
            this.answer = answer;
            request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofMillis(TIMEOUT_MS));
        }

        /** Sends the body and adds what was answered. */
        void end(byte[] body) {
            request.POST(HttpRequest.BodyPublishers.ofByteArray(body == null ? new byte[0] : body));
            try {
                HttpResponse<String> response = HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
                answer.withArray("/statuses").add(response.statusCode());
                answer.withArray("/bodies").add(response.body());
            } catch (IOException failure) {
                throw new UncheckedIOException(failure);
            } catch (InterruptedException failure) {
                throw new IllegalStateException(failure);
            }
        }
    }
}
