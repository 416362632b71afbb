import { CannotOpen, type Opened, type Way } from '../services.ts'
import { dockerWay } from './docker.ts'
import { freePort } from './free-port.ts'
import { startKafkaBroker, untilAnswers } from './kafka-broker.ts'
import { findKafka, KAFKA_VERSION } from './kafka-jars.ts'

/** A Kafka of one node without security, shared by all tests of a run; its `url` is `host:port`. */
export const kafka: readonly Way[] = [
  { name: 'docker compose', open: openInDocker },
  { name: 'jars from Maven', open: openFromJars },
]

/** Kafka's jars and a Java, for tests that start brokers of their own; its `url` is the folder of the jars. */
export const kafkaJars: readonly Way[] = [
  { name: 'jars from Maven', open: async () => ({ url: await findKafka(), stop: async () => undefined }) },
]

async function openFromJars(): Promise<Opened> {
  const broker = await startKafkaBroker({ jars: await findKafka() })
  return { url: broker.address, stop: broker.stop }
}

/** A broker tells its clients where it is, so that the port must be known before it starts, inside and outside. */
async function openInDocker(): Promise<Opened> {
  const port = await freePort()
  const environment = { ERPGW_KAFKA_PORT: String(port), ERPGW_KAFKA_VERSION: KAFKA_VERSION }
  const opened = await dockerWay('kafka', port, (address) => address, environment).open()
  // A container that runs has yet to start its Java.
  const failure = await untilAnswers(opened.url, null)
  if (failure === null) return opened
  await opened.stop()
  throw new CannotOpen(failure)
}
