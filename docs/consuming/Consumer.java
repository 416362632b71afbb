import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.Utils;

/**
 * Reads a topic of events from its beginning to its end, without a group, and prints the newest event of each key: the
 * topic as a table. Reading it twice gives the same table, so nothing needs to be remembered in between.
 *
 *     java -cp 'kafka/libs/*' Consumer.java localhost:9092 erp.item.v1
 */
public class Consumer {
  record Newest(String type, String lineage, long revision, int partition, String contentType) {
    boolean isOlderThan(Newest other) {
      int order = lineage.compareTo(other.lineage);
      return order < 0 || (order == 0 && revision < other.revision);
    }
  }

  public static void main(String[] arguments) throws Exception {
    String topic = arguments[1];
    Map<String, Object> settings =
        Map.of("bootstrap.servers", arguments[0], "isolation.level", "read_committed");
    var text = new StringDeserializer();
    Map<String, Newest> table = new TreeMap<>();
    try (var consumer = new KafkaConsumer<>(settings, text, text)) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(topic).stream().map(of -> new TopicPartition(topic, of.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
          table.merge(record.key(), newest(record), (known, read) -> known.isOlderThan(read) ? read : known);
        }
      }
      table.forEach((key, event) -> print(key, event, partitions.size()));
    }
  }

  static Newest newest(ConsumerRecord<String, String> record) {
    try {
      JsonNode event = new ObjectMapper().readTree(record.value());
      String contentType =
          new String(record.headers().lastHeader("content-type").value(), StandardCharsets.UTF_8);
      return new Newest(
          event.get("type").asText(), event.get("lineage").asText(), event.get("revision").asLong(),
          record.partition(), contentType);
    } catch (Exception failure) {
      throw new IllegalStateException("No event at " + record.partition() + "/" + record.offset(), failure);
    }
  }

  /** A key stands where Java's producer would put it, so that topics can be joined by key. */
  static void print(String key, Newest event, int partitions) {
    int own = Utils.toPositive(Utils.murmur2(key.getBytes(StandardCharsets.UTF_8))) % partitions;
    String place = own == event.partition() ? "where Java puts it" : "NOT where Java puts it: " + own;
    System.out.println(
        key + " r" + event.revision() + " " + event.type() + ", partition " + event.partition() + " " + place
            + ", " + event.contentType());
  }
}
