import { z } from 'zod'
import { duration, flag, host, integer, secretReference, size } from '../../adapters/shared/settings.ts'
import { KAFKA_CLIENTS, type KafkaAddress, SASL_MECHANISMS } from './model.ts'
import { isThisMachine, refuse, textOrReference } from './settings.ts'

/** The log: a file of the gateway's own, or a Kafka cluster. */
export function logSettings() {
  return z.discriminatedUnion('driver', [embedded(), kafka()])
}

function embedded() {
  return z
    .strictObject({
      driver: z
        .literal('embedded')
        .prefault('embedded')
        // Makes the union choose this one where no driver is written.
        .optional()
        .describe('A file in the data folder; needs nothing else.'),
      partitions: partitions(),
      diskMax: size({ minBytes: 100_000_000 })
        .prefault('20GB')
        .describe('Reading pauses when the log is as large.'),
      keep: keep(),
    })
    .describe('A file in the data folder; needs nothing else.')
}

function kafka() {
  return z
    .strictObject({
      driver: z.literal('kafka').describe('A Kafka cluster, 3.9 to 4.x.'),
      brokers: z
        .array(broker())
        .min(1)
        .describe('Brokers as host:port. List all of them: the gateway talks to no other host.'),
      client: z
        .enum(KAFKA_CLIENTS)
        .prefault(KAFKA_CLIENTS[0])
        .describe('The library that carries the connections; the events are the same with either.'),
      prefix: prefix()
        .prefault('')
        .describe('Before the names of topics, groups and writers, where the cluster is not ours alone.'),
      partitions: partitions(),
      replication: integer({ min: 1, max: 32 })
        .optional()
        .describe('Copies of topics that are made; else as the cluster says.'),
      tls: tls()
        .optional()
        .describe('Encrypts the connections and verifies the brokers. Absent: not encrypted.'),
      sasl: sasl().optional().describe('How the gateway logs in; else not at all, or by its certificate.'),
      keep: keep(),
    })
    .check(({ value, issues }) => {
      if (value.sasl?.mechanism !== 'plain' || isEncrypted(value.tls)) return
      if (value.brokers.every(({ host }) => isThisMachine(host))) return
      issues.push({ code: 'custom', input: value, path: ['sasl', 'mechanism'], message: OPEN_PASSWORD })
    })
    .describe('A Kafka cluster, 3.9 to 4.x.')
}

const OPEN_PASSWORD =
  'plain without tls would send the password over the network for all to read; set log.tls, or use scram-sha-512'

function isEncrypted(tls: boolean | object | undefined): boolean {
  return tls !== undefined && tls !== false
}

function partitions() {
  return integer({ min: 1, max: 64 }).prefault('6').describe('Never changes once a topic exists.')
}

const DAYS = { minMs: 3_600_000 }

function keep() {
  return z
    .strictObject({
      history: duration(DAYS).prefault('30d').describe('Older versions of a record.'),
      rejects: duration(DAYS).prefault('30d').describe('What could not be understood.'),
      deliveries: duration(DAYS).prefault('90d').describe('What was sent to whom.'),
      statements: duration(DAYS).prefault('400d').describe('What comparisons of sources with the log found.'),
      audit: duration(DAYS).prefault('400d').describe('What people decided.'),
    })
    .prefault({})
    .describe('How long what is kept. The newest version of a record is kept for ever.')
}

/** `host:port`, an IPv6 address in brackets. */
function broker() {
  const wanted = 'must be a broker as host:port, like kafka-1.corp.example:9092'
  return z
    .string({ error: wanted })
    .transform((written, context): KafkaAddress => {
      const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(written) ?? []
      const name = bracketed ?? plain ?? ''
      const port = Number(digits)
      if (!host().safeParse(name).success || port < 1 || port > 65_535)
        return refuse(context, `${wanted}, not "${written}"`)
      return { host: name, port }
    })
    .meta({
      pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$',
      examples: ['kafka-1.corp.example:9092'],
    })
}

/** What Kafka takes in a name of a topic. */
function prefix() {
  return z.string({ error: 'must be text' }).regex(/^[A-Za-z0-9._-]{0,64}$/, {
    error: 'must be at most 64 letters, digits, dots, hyphens and underscores, like acme.',
  })
}

function tls() {
  const own = z
    .strictObject({
      ca: secretReference()
        .optional()
        .describe('Certificate authority, PEM, as a reference; without it those of the system count.'),
      cert: secretReference()
        .optional()
        .describe('Certificate by which the gateway shows who it is (mTLS), PEM, as a reference.'),
      key: secretReference().optional().describe('Key of that certificate, PEM, as a reference.'),
    })
    .check(({ value, issues }) => {
      for (const [there, missing] of [
        ['cert', 'key'],
        ['key', 'cert'],
      ] as const) {
        if (value[there] === undefined || value[missing] !== undefined) continue
        issues.push({ code: 'custom', input: value, path: [missing], message: `is missing beside ${there}` })
      }
    })
  return z.union([flag(), own], { error: 'must be true, or { ca, cert, key } as references to PEM' })
}

function sasl() {
  return z.strictObject({
    mechanism: z.enum(SASL_MECHANISMS).describe('As the cluster asks for it.'),
    username: textOrReference().describe('User of the cluster, or a reference to it.'),
    password: secretReference().describe('Reference to the password.'),
  })
}
