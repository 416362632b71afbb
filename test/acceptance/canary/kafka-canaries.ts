import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KafkaBroker } from '../../../scripts/services/kafka-broker.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import type { KafkaBrokers } from '../../kit/services.ts'
import type { Canary } from './canaries.ts'

/** The slots of a log on Kafka, by the name of their variable or file. */
const KAFKA_SLOTS = ['KAFKA_USER', 'KAFKA_PASSWORD', 'KAFKA_CA', 'KAFKA_CERT', 'KAFKA_KEY'] as const

export type KafkaSlot = (typeof KAFKA_SLOTS)[number]

/** The line of a config about a log on Kafka that has every slot for a secret. */
export function kafkaLine(address: string, prefix: string, reference: (slot: KafkaSlot) => string): string {
  const [user, password, ca, cert, key] = KAFKA_SLOTS.map(reference)
  return (
    `log: { driver: kafka, brokers: ["${address}"], prefix: "${prefix}", partitions: 2, ` +
    `tls: { ca: ${ca}, cert: ${cert}, key: ${key} }, ` +
    `sasl: { mechanism: scram-sha-512, username: ${user}, password: ${password} } }`
  )
}

/** How every slot is referred to, by variables or by files. */
export function kafkaReference(folder: string | null): (slot: KafkaSlot) => string {
  return (slot) => (folder === null ? `env:${slot}` : `"file:${folder}/${slot}"`)
}

/** A broker that wants a certificate and a password, both canaries, and the files and variables that hold them. */
export type CanaryBroker = Readonly<{
  broker: KafkaBroker
  canaries: readonly Canary[]
  values: Readonly<Record<KafkaSlot, string>>
  folder: string
  [Symbol.asyncDispose](): Promise<void>
}>

export async function startCanaryBroker(brokers: KafkaBrokers): Promise<CanaryBroker> {
  const authority = makeAuthority()
  const server = authority.sign('broker', ['IP:127.0.0.1'])
  const client = authority.sign('gateway', [])
  // Kafka's own tool takes no awkward signs in them.
  const [user, password] = [plain(), plain()]
  const login = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  const broker = await brokers.start({
    scram: { [user]: password },
    listeners: {
      SECURE: {
        protocol: 'SASL_SSL',
        settings: {
          'ssl.keystore.type': 'PEM',
          'ssl.keystore.certificate.chain': server.cert,
          'ssl.keystore.key': server.key,
          'ssl.truststore.type': 'PEM',
          'ssl.truststore.certificates': authority.ca,
          'ssl.client.auth': 'required',
          'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
          'scram-sha-512.sasl.jaas.config': login,
        },
      },
    },
  })
  const values: Record<KafkaSlot, string> = {
    KAFKA_USER: user,
    KAFKA_PASSWORD: password,
    KAFKA_CA: authority.ca,
    KAFKA_CERT: client.cert,
    KAFKA_KEY: client.key,
  }
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-secrets-'))
  for (const [name, value] of Object.entries(values)) {
    writeFileSync(join(folder, name), value, { mode: 0o600 })
    chmodSync(join(folder, name), 0o600)
  }
  const canaries = KAFKA_SLOTS.map((name) => ({ name, value: values[name], parts: partsOf(values[name]) }))
  return {
    broker,
    canaries,
    values,
    folder,
    async [Symbol.asyncDispose]() {
      await broker.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function plain(): string {
  return `c${randomBytes(12).toString('hex')}`
}

/** Of a PEM every whole line, of anything else all of it. */
function partsOf(value: string): readonly string[] {
  const lines = value.split('\n').filter((line) => line.length === 64 && !line.startsWith('-----'))
  return lines.length === 0 ? [value] : lines
}
