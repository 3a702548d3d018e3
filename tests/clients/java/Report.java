import com.google.gson.JsonParser;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.http.HttpHeaders;
import org.apache.http.client.config.RequestConfig;
import org.apache.http.client.entity.UrlEncodedFormEntity;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.message.BasicNameValuePair;
import org.apache.http.util.EntityUtils;

/**
 * Reports records one by one, each over a connection of its own, and prints a line for each: its id and
 * the answer's code, or its id, {@code error} and what went wrong.
 *
 * <p>Usage: {@code Report URL GROUP STREAM PREFIX COUNT SIZE}. Ids are PREFIX and a number; a record is its
 * id, a space and filling of SIZE characters in several scripts.
 */
public final class Report {
    private static final String FILLING = "a=b&c d+e%\u4e2d\u6587\ud83d\ude00|\"'~*";

    private Report() {}

    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[4]);
        int size = Integer.parseInt(args[5]);
        String filling = FILLING.repeat(size / FILLING.length() + 1).substring(0, size);
        RequestConfig timeouts =
                RequestConfig.custom().setConnectTimeout(10_000).setSocketTimeout(10_000).build();
        // Retrying would hide what a single try was told.
        try (CloseableHttpClient client =
                HttpClients.custom().setDefaultRequestConfig(timeouts).disableAutomaticRetries().build()) {
            for (int number = 0; number < count; number++) {
                String id = args[3] + number;
                System.out.println(id + " " + report(client, args, id + " " + filling));
            }
        }
    }

    private static String report(CloseableHttpClient client, String[] args, String body) {
        HttpPost post = new HttpPost(args[0]);
        post.setHeader(HttpHeaders.CONNECTION, "close");
        post.setEntity(
                new UrlEncodedFormEntity(
                        List.of(
                                new BasicNameValuePair("groupId", args[1]),
                                new BasicNameValuePair("streamId", args[2]),
                                new BasicNameValuePair("dt", Long.toString(System.currentTimeMillis())),
                                new BasicNameValuePair("body", body),
                                new BasicNameValuePair("cnt", "1")),
                        StandardCharsets.UTF_8));
        try (CloseableHttpResponse response = client.execute(post)) {
            String text = EntityUtils.toString(response.getEntity());
            int status = response.getStatusLine().getStatusCode();
            int code = JsonParser.parseString(text).getAsJsonObject().get("code").getAsInt();
            return status == 200 ? Integer.toString(code) : "error status " + status;
        } catch (Exception failure) {
            return "error " + failure;
        }
    }
}
