import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { KafkaAccess, KafkaClientName, KafkaLog, KafkaTls } from '../../../gateway/log/kafka.ts'
import type { TopicSpec } from '../../../gateway/log/port.ts'
import type { KafkaBroker, KafkaListener } from '../../../scripts/services/kafka-broker.ts'
import { run } from '../../../scripts/services/run.ts'
import { type Authority, type Certificate, makeAuthority } from '../../kit/certificates.ts'
import { answerOf, freshPrefix, KAFKA_CLIENTS, openKafka, operator } from '../../kit/kafka-logs.ts'
import { NEVER, placedOf, readPartition, textOf } from '../../kit/log-contract-steps.ts'
import { describeWithService } from '../../kit/services.ts'

const TOPIC: TopicSpec = { name: 'erp.payment.v1', cleanup: 'compact', keepMs: 60_000 }
const FIRST = { topic: TOPIC.name, partition: 0 }
const CONNECT_MS = 3_000
const PASSWORD = 'wonder-4711'
const HOME = ['IP:127.0.0.1', 'DNS:localhost']

const authority = makeAuthority()
const stranger = makeAuthority()
const client = authority.sign('gateway', [])

describeWithService('kafka-jars', 'Kafka with security', (brokers) => {
  let broker: KafkaBroker
  beforeAll(async () => {
    broker = await brokers.start({
      listeners: listeners(authority),
      settings: SETTINGS,
      scram: USERS,
    })
  }, 120_000)
  afterAll(() => broker.stop())

  const at = (listener: string) => (listener === 'OPEN' ? broker.address : (broker.addresses[listener] ?? ''))

  describe.each(KAFKA_CLIENTS)('by %s', (name) => {
    const open = (listener: string, access: Partial<KafkaAccess>, prefix = freshPrefix()) =>
      openKafka(name, at(listener), { prefix, access: { ...NO_ACCESS, ...access } })

    test.each(DOORS)('everything works over %s', async (_title, listener, access) => {
      const log = open(listener, access)
      await log.ensure([TOPIC], NEVER)
      placedOf(await answerOf(await log.writer('writer', NEVER), TOPIC, 'written'))
      expect((await readPartition(log, FIRST)).records.map(textOf)).toEqual(['written'])
      const leaving = new AbortController()
      for await (const { partition } of log.subscribe('group', [TOPIC.name], leaving.signal)) {
        expect(partition).toBe(0)
        leaving.abort()
      }
    })

    test.each(SHUT_DOORS)(
      '%s is said in plain words within the time for connecting [F35]',
      async (_title, listener, access, code, words) => {
        const log = open(listener, access)
        const startedAt = performance.now()
        const error = await log.ensure([TOPIC], NEVER).catch((refused: unknown) => refused)
        expect(performance.now() - startedAt).toBeLessThan(CONNECT_MS + 1_000)
        expect(error).toMatchObject({ code, message: expect.stringMatching(words) })
        expect(String(error)).not.toContain('wrong-4712')
      },
    )

    test.each(['plain', 'tls'])(
      'a port that takes a connection and says nothing (%s) is given up in time',
      async (kind) => {
        const address = await silentPort()
        const tls = kind === 'tls' ? trusting(authority) : null
        const log = openKafka(name, address, { prefix: '', access: { ...NO_ACCESS, tls } })
        const startedAt = performance.now()
        await expect(log.ensure([TOPIC], NEVER)).rejects.toMatchObject({
          code: 'LOG_UNAVAILABLE',
          message: expect.stringContaining(address),
        })
        expect(performance.now() - startedAt).toBeLessThan(CONNECT_MS + 1_000)
      },
    )

    test.each(RIGHTS)(
      'without the right to %s it says what is denied, and works once it is granted [F35]',
      async (right, words, act) => {
        const prefix = freshPrefix()
        await placeOne(name, broker.address, prefix)
        await grant(
          broker.address,
          prefix,
          RIGHTS.map(([other]) => other).filter((other) => other !== right),
        )
        const log = open(
          'PLAIN',
          { sasl: { mechanism: 'plain', username: 'clerk', password: PASSWORD } },
          prefix,
        )
        const denied = await act(log)
        expect(denied).toMatch(words)
        expect(denied).toContain(prefix)
        await grant(broker.address, prefix, [right])
        await expect.poll(() => act(log), { timeout: 10_000 }).toBe('done')
      },
    )

    test('a password changed while connected is said without telling it, and the new one lets in [F35]', async () => {
      const sasl = { mechanism: 'scram-sha-512', username: `changing-${name}`, password: PASSWORD } as const
      const prefix = freshPrefix()
      const log = open('SCRAM', { tls: trusting(authority), sasl }, prefix)
      await log.ensure([TOPIC], NEVER)
      await changePassword(brokers.jars, broker.address, sasl.username, 'another-4713')
      const outcome = (of: KafkaLog) => of.end(FIRST, NEVER).catch((error: unknown) => error)
      await expect
        .poll(() => outcome(log), { timeout: 20_000, interval: 200 })
        .toMatchObject({ code: 'LOG_DENIED', message: expect.stringMatching(/does not let the gateway in/) })
      expect(String(await outcome(log))).not.toMatch(/4711|4713/)
      const next = open(
        'SCRAM',
        { tls: trusting(authority), sasl: { ...sasl, password: 'another-4713' } },
        prefix,
      )
      await expect.poll(() => outcome(next), { timeout: 20_000, interval: 200 }).toBe(0)
    }, 60_000)
  })
})

const NO_ACCESS: KafkaAccess = { clientId: 'security', tls: null, sasl: null, connectMs: CONNECT_MS }

function trusting({ ca }: Authority, own?: Certificate): KafkaTls {
  return { ca, cert: own?.cert ?? null, key: own?.key ?? null }
}

function scram(mechanism: 'scram-sha-256' | 'scram-sha-512', password = PASSWORD) {
  return { tls: trusting(authority), sasl: { mechanism, username: 'scram', password } }
}

function plain(password = PASSWORD) {
  return { sasl: { mechanism: 'plain', username: 'boss', password } as const }
}

const DOORS: readonly (readonly [string, string, Partial<KafkaAccess>])[] = [
  ['TLS', 'TLS', { tls: trusting(authority) }],
  ['TLS with a certificate of ours', 'MTLS', { tls: trusting(authority, client) }],
  ['SASL PLAIN', 'PLAIN', plain()],
  ['SCRAM-SHA-256 over TLS', 'SCRAM', scram('scram-sha-256')],
  ['SCRAM-SHA-512 over TLS', 'SCRAM', scram('scram-sha-512')],
]

const SHUT_DOORS: readonly (readonly [string, string, Partial<KafkaAccess>, string, RegExp])[] = [
  ['an authority that is not ours', 'TLS', { tls: trusting(stranger) }, 'LOG_DENIED', /log\.tls\.ca/],
  [
    'a certificate of another host',
    'ELSEWHERE',
    { tls: trusting(authority) },
    'LOG_DENIED',
    /advertised\.listeners/,
  ],
  [
    'an expired certificate',
    'EXPIRED',
    { tls: trusting(authority) },
    'LOG_DENIED',
    /expired.*new certificate/,
  ],
  [
    'no certificate of ours where one is wanted',
    'MTLS',
    { tls: trusting(authority) },
    'LOG_DENIED',
    /log\.tls\.cert/,
  ],
  ['a plain client at a TLS port', 'TLS', {}, 'LOG_UNAVAILABLE', /TLS/],
  ['a TLS client at a plain port', 'OPEN', { tls: trusting(authority) }, 'LOG_UNAVAILABLE', /TLS/],
  ['a wrong password for PLAIN', 'PLAIN', plain('wrong-4712'), 'LOG_DENIED', /log\.sasl/],
  ['a wrong password for SCRAM', 'SCRAM', scram('scram-sha-512', 'wrong-4712'), 'LOG_DENIED', /log\.sasl/],
  ['no login where one is wanted', 'PLAIN', {}, 'LOG_UNAVAILABLE', /log\.sasl/],
]

type Act = (log: KafkaLog) => Promise<string>

const transact: Act = async (log) => {
  const answer = await answerOf(await log.writer('writer', NEVER), TOPIC, 'written')
  if (answer.kind === 'committed') return 'done'
  return answer.kind === 'refused' && !answer.retryable ? answer.reason : answer.kind
}

const read: Act = async (log) => {
  await readPartition(log, FIRST)
  return 'done'
}

const ensure: Act = async (log) => {
  await log.ensure([TOPIC, { ...TOPIC, name: 'erp.new.v1' }], NEVER)
  return 'done'
}

const enter: Act = async (log) => {
  const leaving = new AbortController()
  for await (const _ of log.subscribe('group', [TOPIC.name], leaving.signal)) leaving.abort()
  return 'done'
}

function told(act: Act): Act {
  return (log) => act(log).catch((error) => (error.code === 'LOG_DENIED' ? error.message : String(error)))
}

const RIGHTS: readonly (readonly [string, RegExp, Act])[] = [
  [
    'write a topic',
    /erp\.payment\.v1.*TOPIC_AUTHORIZATION_FAILED|TOPIC_AUTHORIZATION_FAILED.*erp\.payment\.v1/,
    told(transact),
  ],
  ['read a topic', /erp\.payment\.v1 \(TOPIC_AUTHORIZATION_FAILED\)/, told(read)],
  ['see settings', /the settings of topic .*erp\.payment\.v1/, told(ensure)],
  ['make topics', /making topic .*erp\.new\.v1/, told(ensure)],
  ['be a writer', /writing as .*writer/, told(transact)],
  ['join groups', /group .*group/, told(enter)],
]

/** Kafka's numbers: resource (topic 2, group 3, identity 5) and operations. */
const ACLS: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  'write a topic': [[2, 4]],
  'read a topic': [[2, 3]],
  'see settings': [[2, 10]],
  'make topics': [[2, 5]],
  'be a writer': [
    [5, 4],
    [5, 8],
  ],
  'join groups': [[3, 3]],
}

async function grant(address: string, prefix: string, rights: readonly string[]): Promise<void> {
  const admin = await operator(address)
  const pairs = [[2, 8] as const, ...rights.flatMap((right) => ACLS[right] ?? [])]
  await admin.createAcls({
    acl: pairs.map(([resourceType, operation]) => ({
      resourceType,
      operation,
      resourceName: prefix,
      resourcePatternType: 4,
      principal: 'User:clerk',
      host: '*',
      permissionType: 3,
    })),
  })
}

async function placeOne(name: KafkaClientName, address: string, prefix: string): Promise<void> {
  const log = openKafka(name, address, { prefix })
  await log.ensure([TOPIC], NEVER)
  placedOf(await answerOf(await log.writer('boss', NEVER), TOPIC, 'there'))
}

async function changePassword(jars: string, address: string, user: string, password: string): Promise<void> {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
  const args = ['--bootstrap-server', address, '--alter', '--entity-type', 'users', '--entity-name', user]
  const added = ['--add-config', `SCRAM-SHA-512=[password=${password}]`]
  const changed = await run(
    'java',
    [quiet, '-cp', join(jars, '*'), 'kafka.admin.ConfigCommand', ...args, ...added],
    { timeoutMs: 60_000 },
  )
  expect(changed).toMatchObject({ ok: true })
}

async function silentPort(): Promise<string> {
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
}

const USERS = { scram: PASSWORD, 'changing-platformatic': PASSWORD, 'changing-kafkajs': PASSWORD }

const SETTINGS = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users':
    'User:ANONYMOUS;User:CN=gateway;User:boss;User:scram;User:changing-platformatic;User:changing-kafkajs',
}

function listeners(authority: Authority): Readonly<Record<string, KafkaListener>> {
  const tls = (own: Certificate) => ({
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.certificate.chain': own.cert,
    'ssl.keystore.key': own.key,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': authority.ca,
  })
  const home = tls(authority.sign('broker', HOME))
  const jaas = 'org.apache.kafka.common.security'
  return {
    TLS: { protocol: 'SSL', settings: home },
    MTLS: { protocol: 'SSL', settings: { ...home, 'ssl.client.auth': 'required' } },
    ELSEWHERE: { protocol: 'SSL', settings: tls(authority.sign('broker', ['DNS:elsewhere.example'])) },
    EXPIRED: { protocol: 'SSL', settings: tls(authority.sign('broker', HOME, -1)) },
    PLAIN: {
      protocol: 'SASL_PLAINTEXT',
      settings: {
        'sasl.enabled.mechanisms': 'PLAIN',
        'plain.sasl.jaas.config': `${jaas}.plain.PlainLoginModule required user_boss="${PASSWORD}" user_clerk="${PASSWORD}";`,
      },
    },
    SCRAM: {
      protocol: 'SASL_SSL',
      settings: {
        ...home,
        'sasl.enabled.mechanisms': 'SCRAM-SHA-256,SCRAM-SHA-512',
        'scram-sha-256.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`,
        'scram-sha-512.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`,
        'connections.max.reauth.ms': '3000',
      },
    },
  }
}
