import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { type ConnectKafka, type KafkaConnection, tlsOf } from './client.ts'
import { faultOf } from './faults.ts'

/** A request may wait for others of a group (`rebalanceMs`); the driver has deadlines of its own, far below. */
const REQUEST_MS_MAX = 150_000

/** Its default of 10 s breaks sessions that are shorter: measured, ILLEGAL_SASL_STATE at once. */
const REAUTHENTICATE_BEFORE_MS = 1_000

/**
 * `kafkajs`, of which sockets, TLS, SASL and framing are used. They stand behind none of its public doors; the version is
 * pinned, and the last there will be.
 */
export const connectKafkaJs: ConnectKafka = async ({ host, port }, ip, access) => {
  const { Connection, logger, socketFactory } = load()
  const connection = new Connection({
    host: ip,
    port,
    clientId: access.clientId,
    logger,
    socketFactory: socketFactory(),
    connectionTimeout: access.connectMs,
    requestTimeout: REQUEST_MS_MAX,
    enforceRequestTimeout: true,
    reauthenticationThreshold: REAUTHENTICATE_BEFORE_MS,
    ssl:
      access.tls === null
        ? null
        : { ...tlsOf(access.tls), ...(isIP(host) === 0 ? { servername: host } : {}) },
    // A copy: it keeps who logs in, password and all, in the object that it is given.
    sasl: access.sasl === null ? null : { ...access.sasl },
  })
  // Nothing is ever pending there, as nothing is throttled; it would look every millisecond, and warn of it each time.
  connection.requestQueue.scheduleCheckPendingRequests = () => undefined
  connection.setVersions(LOGIN_VERSIONS)
  connection.setSupportAuthenticationProtocol(true)
  try {
    await connection.connect()
    await connection.authenticate()
  } catch (error) {
    void connection.disconnect().catch(() => undefined)
    throw faultOf(error, `${host}:${port}`)
  }
  return carry(connection, `${host}:${port}`)
}

/** SaslHandshake and SaslAuthenticate, which its login looks up. */
const LOGIN_VERSIONS = { 17: { minVersion: 0, maxVersion: 1 }, 36: { minVersion: 0, maxVersion: 1 } }

/** The first byte of what follows a head without tagged fields. */
const NO_TAGS = Buffer.from([0])

function carry(connection: JsConnection, where: string): KafkaConnection {
  return {
    where,
    get isOpen() {
      return connection.isConnected()
    },
    async exchange({ name, apiKey, version, isFlexible }, body) {
      // It knows the older head alone, which the newer one is but for tagged fields at its end.
      const buffer = isFlexible ? Buffer.concat([NO_TAGS, body]) : body
      try {
        const answer = await connection.send({
          request: {
            apiKey,
            apiVersion: version,
            apiName: name,
            encode: async () => ({ buf: buffer, buffer }),
          },
          response: {
            decode: async (payload) => ({ payload, clientSideThrottleTime: 0 }),
            parse: async ({ payload }) => payload,
          },
          logResponseError: false,
        })
        return isFlexible ? answer.subarray(1) : answer
      } catch (error) {
        throw faultOf(error, where, 'lost')
      }
    },
    close: () => void connection.disconnect().catch(() => undefined),
  }
}

// ─── what is used of it, which has no types ─────────────────────────────────────────────────────

type JsRequest = Readonly<{
  request: Readonly<{
    apiKey: number
    apiVersion: number
    apiName: string
    encode(): Promise<Readonly<{ buf: Buffer; buffer: Buffer }>>
  }>
  response: Readonly<{
    decode(payload: Buffer): Promise<Readonly<{ payload: Buffer; clientSideThrottleTime: number }>>
    parse(decoded: Readonly<{ payload: Buffer }>): Promise<Buffer>
  }>
  logResponseError: boolean
}>

interface JsConnection {
  readonly requestQueue: { scheduleCheckPendingRequests: () => void }
  setVersions(versions: object): void
  setSupportAuthenticationProtocol(isSupported: boolean): void
  connect(): Promise<unknown>
  authenticate(): Promise<void>
  isConnected(): boolean
  send(request: JsRequest): Promise<Buffer>
  disconnect(): Promise<unknown>
}

type KafkaJs = Readonly<{
  Connection: new (options: object) => JsConnection
  logger: object
  socketFactory: () => unknown
}>

function load(): KafkaJs {
  const require = createRequire(import.meta.url)
  const { createLogger } = require('kafkajs/src/loggers')
  return {
    Connection: require('kafkajs/src/network/connection'),
    socketFactory: require('kafkajs/src/network/socketFactory'),
    // What goes wrong is told by rejections; its own lines would go to stdout.
    logger: createLogger({ level: 0, logCreator: () => () => undefined }),
  }
}
