import { isIP } from 'node:net'
import type { Connection, ConnectionOptions, Reader } from '@platformatic/kafka'
import { type ConnectKafka, type KafkaAccess, type KafkaConnection, tlsOf } from './client.ts'
import { faultOf } from './faults.ts'

/** A request may wait for others of a group (`rebalanceMs`); the driver has deadlines of its own, far below. */
const REQUEST_MS_MAX = 150_000
const IN_FLIGHT_MAX = 64

/** `@platformatic/kafka`, of which sockets, TLS, SASL and framing are used: its producer and consumer try again behind our back. */
export const connectPlatformatic: ConnectKafka = async ({ host, port }, ip, access) => {
  // Loaded where it is wanted: 65 MB in every thread.
  const kafka = await import('@platformatic/kafka')
  const connection = new kafka.Connection(access.clientId, optionsOf(host, access))
  // What breaks a connection is told apart from the requests that break with it.
  let failure: Error | null = null
  connection.on('error', (error) => {
    failure = error
  })
  try {
    await connection.connect(ip, port)
  } catch (error) {
    connection.close(() => undefined)
    throw faultOf(error, `${host}:${port}`)
  }
  return carry(connection, `${host}:${port}`, kafka.Writer, (error) => failure ?? error)
}

function optionsOf(host: string, { connectMs, tls, sasl }: KafkaAccess): ConnectionOptions {
  return {
    connectTimeout: connectMs,
    requestTimeout: REQUEST_MS_MAX,
    maxInflights: IN_FLIGHT_MAX,
    ...(tls === null ? {} : { tls: tlsOf(tls), ...(isIP(host) === 0 ? { tlsServerName: host } : {}) }),
    ...(sasl === null
      ? {}
      : {
          sasl: { mechanism: MECHANISMS[sasl.mechanism], username: sasl.username, password: sasl.password },
        }),
  }
}

const MECHANISMS = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
} as const

function carry(
  connection: Connection,
  where: string,
  Writer: typeof import('@platformatic/kafka').Writer,
  causeOf: (error: Error | null) => Error | null,
): KafkaConnection {
  return {
    where,
    get isOpen() {
      return connection.isConnected()
    },
    exchange: ({ apiKey, version, isFlexible }, body) =>
      new Promise((resolve, reject) => {
        const payload = () => Writer.create().append(body)
        const done = (error: Error | null, answer?: Buffer) =>
          error === null && answer !== undefined
            ? resolve(answer)
            : reject(faultOf(causeOf(error), where, 'lost'))
        connection.send(apiKey, version, payload, bodyOf, isFlexible, isFlexible, done)
      }),
    close: () => void connection.close(() => undefined),
  }
}

function bodyOf(_correlation: number, _apiKey: number, _version: number, reader: Reader): Buffer {
  return reader.buffer.slice(reader.position)
}
