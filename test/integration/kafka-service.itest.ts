import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { describeWithService } from '../kit/services.ts'

describeWithService('kafka', 'the Kafka service', (kafka) => {
  test('makes topics only when it is asked to', async () => {
    expect(await topicsOf(kafka.address, 'erp.nobody-made-it.v1')).toEqual([])
  })
})

describeWithService('kafka-jars', 'a Kafka broker of a test', (brokers) => {
  test('that is killed has kept its topics when it starts again at the same address', async () => {
    await using broker = await brokers.start()
    await createTopic(broker.address, 'erp.payment.v1')
    await broker.kill()
    await expect(topicsOf(broker.address)).rejects.toThrow('ECONNREFUSED')
    await broker.start()
    expect(await topicsOf(broker.address)).toContain('erp.payment.v1')
  })

  test('that stands still answers once it goes on', async () => {
    await using broker = await brokers.start()
    broker.freeze()
    const asked = topicsOf(broker.address)
    const first = await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 300, 'silence'))])
    expect(first).toBe('silence')
    broker.thaw()
    expect(await asked).toEqual([])
  })

  test('tells clients of a listener to call the proxy that stands before it', async () => {
    await using broker = await brokers.start({
      listeners: { PROXIED: { protocol: 'PLAINTEXT', advertised: '127.0.0.1:1234' } },
    })
    expect((await metadataAt(broker.addresses['PROXIED'] ?? '')).brokers).toEqual(['127.0.0.1:1234'])
    expect((await metadataAt(broker.address)).brokers).toEqual([broker.address])
  })

  test('lets in by a listener of its own those who know the password, and says nothing to others', async () => {
    await using broker = await brokers.start({
      listeners: { SECURE: { protocol: 'SASL_PLAINTEXT', settings: PLAIN } },
      settings: { 'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer' },
    })
    const secure = broker.addresses['SECURE'] ?? ''
    await createTopic(broker.address, 'erp.payment.v1')
    await expect(topicsOf(secure)).rejects.toThrow('closed')
    expect(await loginAt(secure, 'alice', 'wrong')).toBe(SASL_AUTHENTICATION_FAILED)
    expect(await loginAt(secure, 'alice', 'wonder')).toBe(0)
  })
})

const PLAIN = {
  'sasl.enabled.mechanisms': 'PLAIN',
  'plain.sasl.jaas.config':
    'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="wonder";',
}

const SASL_AUTHENTICATION_FAILED = 58

// Requests of Kafka's protocol in their oldest versions, so that the service is proved without any client.

/** The names of all topics, or of the one that is asked for where it is there. */
async function topicsOf(address: string, name?: string): Promise<readonly string[]> {
  return (await metadataAt(address, name)).topics
}

/** Brokers by `host:port`, and topics without an error (Metadata, version 1). */
async function metadataAt(address: string, name?: string) {
  const wanted = name === undefined ? int32(-1) : Buffer.concat([int32(1), string(name)])
  const [answer = Buffer.alloc(0)] = await ask(address, [request(3, 1, wanted)])
  const read = reader(answer)
  const brokers: string[] = []
  for (let count = read.int32(); count > 0; count -= 1) {
    read.pass(4)
    brokers.push(`${read.string()}:${read.int32()}`)
    read.string()
  }
  read.pass(4)
  const topics: string[] = []
  for (let count = read.int32(); count > 0; count -= 1) {
    const error = read.int16()
    const topic = read.string()
    read.pass(1)
    for (let partitions = read.int32(); partitions > 0; partitions -= 1) {
      read.pass(2 + 4 + 4)
      for (let lists = 2; lists > 0; lists -= 1) read.pass(4 * read.int32())
    }
    if (error === 0) topics.push(topic)
  }
  return { brokers, topics }
}

/** One partition, one replica (CreateTopics, version 2). */
async function createTopic(address: string, name: string): Promise<void> {
  const topic = [string(name), int32(1), int16(1), int32(0), int32(0)]
  const body = Buffer.concat([int32(1), ...topic, int32(30_000), Buffer.from([0])])
  const [answer = Buffer.alloc(0)] = await ask(address, [request(19, 2, body)])
  const read = reader(answer)
  read.pass(4 + 4)
  read.string()
  expect(read.int16()).toBe(0)
}

/** The error code of a login (SaslHandshake, version 1, and SaslAuthenticate, version 0). */
async function loginAt(address: string, user: string, password: string): Promise<number> {
  const words = Buffer.from(`\u0000${user}\u0000${password}`)
  const steps = [request(17, 1, string('PLAIN')), request(36, 0, Buffer.concat([int32(words.length), words]))]
  const answers = await ask(address, steps)
  return answers.map((answer) => answer.readInt16BE(0)).find((code) => code !== 0) ?? 0
}

/** Sends one request after the other on one connection; the answers without length and number. */
async function ask(address: string, requests: readonly Buffer[]): Promise<readonly Buffer[]> {
  const { hostname, port } = new URL(`kafka://${address}`)
  const socket = connect({ host: hostname, port: Number(port) })
  const chunks = socket[Symbol.asyncIterator]()
  const answers: Buffer[] = []
  let received = Buffer.alloc(0)
  try {
    for (const each of requests) {
      socket.write(each)
      while (received.length < 4 || received.length < 4 + received.readInt32BE(0)) {
        const chunk = await chunks.next()
        if (chunk.done === true) throw new Error('the connection was closed')
        received = Buffer.concat([received, chunk.value])
      }
      answers.push(received.subarray(8, 4 + received.readInt32BE(0)))
      received = received.subarray(4 + received.readInt32BE(0))
    }
  } finally {
    socket.destroy()
  }
  return answers
}

function request(key: number, version: number, body: Buffer): Buffer {
  const rest = Buffer.concat([int16(key), int16(version), int32(1), int16(-1), body])
  return Buffer.concat([int32(rest.length), rest])
}

function reader(bytes: Buffer) {
  let at = 0
  const pass = (count: number) => {
    at += count
    return at - count
  }
  const int16 = () => bytes.readInt16BE(pass(2))
  return {
    pass,
    int16,
    int32: () => bytes.readInt32BE(pass(4)),
    string: () => {
      const length = Math.max(0, int16())
      const from = pass(length)
      return bytes.toString('utf8', from, from + length)
    },
  }
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function string(value: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)])
}
