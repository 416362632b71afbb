import type { Config, KafkaLogConfig } from '../config/model.ts'
import type { SecretCheck } from '../config/references.ts'
import { parseReference } from '../config/secret-reference.ts'
import { LogError } from '../log/errors.ts'
import { createKafkaLog, type KafkaAccess, type KafkaLog } from '../log/kafka.ts'
import type { LogInspector } from '../log/reader.ts'
import type { Names, Secrets } from '../ports.ts'
import type { Failpoints, Runtime } from '../runtime.ts'

export type KafkaLogPorts = Readonly<{
  runtime: Runtime
  secrets: Secrets & SecretCheck
  names: Names
  failpoints?: Failpoints
}>

/** A config whose log is a Kafka cluster. */
export type KafkaConfig = Config & Readonly<{ log: KafkaLogConfig }>

export function isOnKafka(config: Config): config is KafkaConfig {
  return config.log.driver === 'kafka'
}

/** Until connected, with TLS and login. */
const CONNECT_MS = 5_000

/**
 * The log of a config on Kafka, for this thread; nothing is connected before it is needed. Secrets are read now. Throws
 * LOG_DENIED where one of them cannot be had.
 */
export function openKafkaLog({ gateway, log }: KafkaConfig, ports: KafkaLogPorts): KafkaLog {
  const { runtime, names, failpoints } = ports
  const { brokers, client, prefix, partitions, replication } = log
  return createKafkaLog({
    ...{ client, brokers, prefix, partitions, replication, runtime },
    access: accessOf(log, `erpgw-${gateway}`, ports.secrets),
    resolve: (host, signal) => names.resolve(host, signal),
    ...(failpoints === undefined ? {} : { failpoints }),
  })
}

/** The same for who only looks. */
export function openKafkaReader(config: KafkaConfig, ports: KafkaLogPorts): LogInspector {
  const log = openKafkaLog(config, ports)
  return {
    ...log,
    async states(specs, signal) {
      const there = new Set((await log.topics()).map(({ name }) => name))
      // What is there is not made by asking for it.
      const asked = specs.filter(({ name }) => there.has(name))
      return asked.length === 0 ? [] : await log.ensure(asked, signal)
    },
  }
}

function accessOf(
  { tls, sasl }: KafkaLogConfig,
  clientId: string,
  secrets: KafkaLogPorts['secrets'],
): KafkaAccess {
  const read = (setting: string, reference: string) => {
    const value = secrets.read(reference)
    if (value !== null) return value
    const problem = secrets.problem(reference) ?? 'it cannot be read'
    throw new LogError('LOG_DENIED', `log.${setting}: ${problem}`)
  }
  const pem = (name: 'ca' | 'cert' | 'key') => {
    const reference = tls?.[name] ?? null
    return reference === null ? null : read(`tls.${name}`, reference)
  }
  const user = (written: string) =>
    parseReference(written) === null ? written : read('sasl.username', written)
  return {
    clientId,
    tls: tls === null ? null : { ca: pem('ca'), cert: pem('cert'), key: pem('key') },
    sasl:
      sasl === null
        ? null
        : {
            mechanism: sasl.mechanism,
            username: user(sasl.username),
            password: read('sasl.password', sasl.password),
          },
    connectMs: CONNECT_MS,
  }
}
