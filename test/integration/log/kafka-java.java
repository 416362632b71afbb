import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own client: writes each key of its input (a line each, in hex) once by each codec, to a topic named after the
 * codec, and prints where it places the key among 1, 3, 6 and 12 partitions.
 */
class KafkaJava {
  public static void main(String[] arguments) throws Exception {
    var lines = new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n", -1);
    var keys = Arrays.stream(lines).map(HexFormat.of()::parseHex).toList();
    for (var key : keys) {
      var places = new StringBuilder();
      for (var partitions : new int[] {1, 3, 6, 12}) {
        places.append(' ').append(BuiltInPartitioner.partitionForKey(key, partitions));
      }
      System.out.println(HexFormat.of().formatHex(key) + places);
    }
    for (var codec : new String[] {"none", "gzip", "zstd", "lz4", "snappy"}) {
      Map<String, Object> settings =
          Map.of("bootstrap.servers", arguments[0], "compression.type", codec, "linger.ms", "100");
      try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
        for (var key : keys) {
          var value = ("by " + codec).repeat(20).getBytes(StandardCharsets.UTF_8);
          producer.send(new ProducerRecord<>(arguments[1] + codec, key, value));
        }
        producer.flush();
      }
    }
  }
}
