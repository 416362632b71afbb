import { expect, test } from 'vitest'
import { egressList } from '../../../gateway/config/egress.ts'
import { explainConfig } from '../../../gateway/config/explain.ts'
import { good, loadWell, mistakesOf, otherAdapter, toyAdapter } from './world.ts'

const adapters = [toyAdapter, otherAdapter]
const EMBEDDED = 'log: { driver: embedded, diskMax: 20GB, keep: { rejects: 10d } }'
const DAY_MS = 86_400_000
const MISSING = {
  'env:NONE': 'the environment has no NONE',
  'file:/run/ca.pem': 'there is no file /run/ca.pem',
}

test('reads a Kafka cluster as the log, with what nobody wrote filled in', () => {
  expect(logOf('driver: kafka, brokers: ["kafka-1.corp.example:9092", "[::1]:9093"]')).toEqual({
    driver: 'kafka',
    brokers: [
      { host: 'kafka-1.corp.example', port: 9092 },
      { host: '::1', port: 9093 },
    ],
    client: 'kafkajs',
    prefix: '',
    partitions: 6,
    replication: null,
    tls: null,
    sasl: null,
    keep: {
      historyMs: 30 * DAY_MS,
      rejectsMs: 30 * DAY_MS,
      deliveriesMs: 90 * DAY_MS,
      statementsMs: 400 * DAY_MS,
      auditMs: 400 * DAY_MS,
    },
  })
})

test('reads how a Kafka cluster is entered', () => {
  const entered =
    logOf(`driver: kafka, brokers: [k:9093], client: kafkajs, prefix: acme., partitions: 12, replication: 3,
    tls: { ca: file:/run/ca.pem, cert: file:/run/cert.pem, key: env:KAFKA_KEY },
    sasl: { mechanism: scram-sha-512, username: erpgw, password: env:KAFKA_PASSWORD }`)
  expect(entered).toMatchObject({
    client: 'kafkajs',
    prefix: 'acme.',
    partitions: 12,
    replication: 3,
    tls: { ca: 'file:/run/ca.pem', cert: 'file:/run/cert.pem', key: 'env:KAFKA_KEY' },
    sasl: { mechanism: 'scram-sha-512', username: 'erpgw', password: 'env:KAFKA_PASSWORD' },
  })
  expect(logOf('driver: kafka, brokers: [k:9093], tls: true')).toMatchObject({
    tls: { ca: null, cert: null, key: null },
  })
})

test('takes the file for the log where no driver is written', () => {
  expect(logOf('partitions: 3')).toMatchObject({ driver: 'embedded', partitions: 3 })
  expect(loadWell(good([`${EMBEDDED}\n`, ''])).config.log).toMatchObject({
    driver: 'embedded',
    partitions: 6,
  })
})

test('allows the gateway to talk to the brokers', () => {
  const { config } = loadWell(withLog('driver: kafka, brokers: [K1.Corp.Example:9092, "10.0.0.7:9092"]'))
  expect(egressList(config, adapters).listed).toEqual(
    new Set(['k3db.corp.example', 'k1.corp.example', '10.0.0.7']),
  )
})

test('explains a log on Kafka as one that loads to the same', () => {
  const loaded = loadWell(withLog('driver: kafka, brokers: [k:9092]'))
  const explained = explainConfig(loaded, adapters)
  expect(loadWell(explained).config).toEqual(loaded.config)
  for (const line of ['client: kafkajs # default', 'partitions: 6 # default', 'audit: 400d # default']) {
    expect(explained).toContain(`${line}\n`)
  }
  const none = explainConfig(loadWell(good([`${EMBEDDED}\n`, ''])), adapters)
  expect(none).toContain('log:\n  driver: embedded # default\n')
})

test.each<readonly [string, string, string]>([
  [
    'no brokers',
    'driver: kafka',
    '6:1 log.brokers: is missing; it must be a list, [a, b] or lines that begin with a hyphen',
  ],
  [
    'a broker without a port',
    'driver: kafka, brokers: [kafka-1]',
    '6:33 log.brokers[0]: must be a broker as host:port, like kafka-1.corp.example:9092, not "kafka-1"',
  ],
  [
    'an address with a scheme',
    'driver: kafka, brokers: ["kafka://k:9092"]',
    '6:33 log.brokers[0]: must be a broker as host:port, like kafka-1.corp.example:9092, not "kafka://k:9092"',
  ],
  [
    'a setting of the other driver',
    'driver: kafka, brokers: [k:9092], diskMax: 1GB',
    '6:42 log.diskMax: is not a known key (valid: brokers, client, driver, keep, partitions, prefix, replication, sasl, tls)',
  ],
  [
    'a setting of Kafka without Kafka',
    'brokers: [k:9092]',
    '6:8 log.brokers: is not a known key (valid: diskMax, driver, keep, partitions)',
  ],
  [
    'a client',
    'driver: kafka, brokers: [k:9092], client: kafka-js',
    '6:50 log.client: cannot be "kafka-js" (did you mean "kafkajs"?); allowed: kafkajs, platformatic',
  ],
  [
    'a prefix that Kafka would refuse',
    'driver: kafka, brokers: [k:9092], prefix: "acme/"',
    '6:50 log.prefix: must be at most 64 letters, digits, dots, hyphens and underscores, like acme.',
  ],
  [
    'a mechanism',
    'driver: kafka, brokers: [k:9092], sasl: { mechanism: scram-sha-521, username: u, password: env:P }',
    '6:61 log.sasl.mechanism: cannot be "scram-sha-521" (did you mean "scram-sha-512"?); allowed: plain, scram-sha-256, scram-sha-512',
  ],
  [
    'a password that stands in the file',
    'driver: kafka, brokers: [k:9092], sasl: { mechanism: scram-sha-512, username: u, password: secret }',
    '6:99 log.sasl.password: must be a reference, env:NAME or file:/path; the secret itself never stands here',
  ],
  [
    'a password that is not there',
    'driver: kafka, brokers: [k:9092], sasl: { mechanism: scram-sha-512, username: u, password: env:NONE }',
    '6:99 log.sasl.password: the environment has no NONE',
  ],
  [
    'an authority that is not there',
    'driver: kafka, brokers: [k:9092], tls: { ca: file:/run/ca.pem }',
    '6:53 log.tls.ca: there is no file /run/ca.pem',
  ],
  [
    'a password for all to read',
    'driver: kafka, brokers: ["127.0.0.1:9092", k:9092], tls: false, sasl: { mechanism: plain, username: u, password: env:P }',
    '6:91 log.sasl.mechanism: plain without tls would send the password over the network for all to read; set log.tls, or use scram-sha-512',
  ],
  [
    'a certificate without its key',
    'driver: kafka, brokers: [k:9092], tls: { cert: file:/run/cert.pem }',
    '6:42 log.tls.key: is missing beside cert',
  ],
  [
    'a text for tls',
    'driver: kafka, brokers: [k:9092], tls: on',
    '6:47 log.tls: must be true, or { ca, cert, key } as references to PEM',
  ],
])('says of %s where it is and what is wrong', (_, log, expected) => {
  expect(mistakesOf(withLog(log), { missing: MISSING })).toEqual([`gateway.yaml:${expected}`])
})

test('lets a password go in the clear where it leaves this machine by no network', () => {
  const sasl = 'sasl: { mechanism: plain, username: u, password: env:P }'
  expect(mistakesOf(withLog(`driver: kafka, brokers: ["127.0.0.1:9092", "[::1]:9093"], ${sasl}`))).toEqual([])
  expect(mistakesOf(withLog(`driver: kafka, brokers: [k:9092], tls: true, ${sasl}`))).toEqual([])
})

function withLog(settings: string): string {
  return good([EMBEDDED, `log: { ${settings} }`])
}

function logOf(settings: string): unknown {
  return loadWell(withLog(settings)).config.log
}
