import type { KAFKA_CLIENTS, KafkaAddress, SASL_MECHANISMS } from '../../config/model.ts'
import type { Names } from '../../ports.ts'

export type { KafkaAddress } from '../../config/model.ts'

/**
 * The seam to a Kafka client: a connection to one broker that carries requests of the protocol, each once. What the
 * requests say, where they go, what is tried again and what an outcome means is the driver's own business and the same
 * for every client; a client brings sockets, TLS, SASL with re-authentication, and framing.
 */
export interface KafkaConnection {
  /** `host:port` of the broker, for messages. */
  readonly where: string
  /** False once it was closed by either side; it never comes back. */
  readonly isOpen: boolean
  /**
   * Sends one request and resolves to the body of its answer. Rejects with KafkaFault `lost` where the connection
   * broke first, and is not to be used again then.
   */
  exchange(call: KafkaCall, body: Buffer): Promise<Buffer>
  /** What is under way is lost. */
  close(): void
}

/** Which request of the protocol, in which version; flexible ones have tagged fields in their heads. */
export type KafkaCall = Readonly<{ name: string; apiKey: number; version: number; isFlexible: boolean }>

/** How to reach and enter a cluster. Secrets stand here in the clear: never log it. */
export type KafkaAccess = Readonly<{
  /** As brokers see it in their logs. */
  clientId: string
  tls: KafkaTls | null
  sasl: KafkaSasl | null
  /** Until connected, with TLS and login. */
  connectMs: number
}>

/** PEM texts; null is the system's own authorities, or no certificate of ours. */
export type KafkaTls = Readonly<{ ca: string | null; cert: string | null; key: string | null }>

/** As Node takes it. The name that the certificate must have is the client's to give, as an address may not be one. */
export function tlsOf({ ca, cert, key }: KafkaTls): Readonly<{ ca?: string; cert?: string; key?: string }> {
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  }
}

export type KafkaSasl = Readonly<{
  mechanism: (typeof SASL_MECHANISMS)[number]
  username: string
  password: string
}>

/**
 * Connects to a broker, and enters. `ip` is the address to call for `address.host`, which stays the name that a
 * certificate must have. Rejects with KafkaFault `unsent` or `login`.
 */
export type ConnectKafka = (
  address: KafkaAddress,
  ip: string,
  access: KafkaAccess,
) => Promise<KafkaConnection>

/** Clients by the name that stands in the config. */
export type KafkaClientName = (typeof KAFKA_CLIENTS)[number]

/** `unsent`: nothing reached the broker. `login`: it refused our credentials, or we its certificate. `lost`: sent, and no answer. */
export type KafkaFaultKind = 'unsent' | 'login' | 'lost'

/** Why a request has no answer. `message` is a sentence without secrets, for an operator. */
export class KafkaFault extends Error {
  override readonly name = 'KafkaFault'
  readonly kind: KafkaFaultKind

  constructor(kind: KafkaFaultKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

export type ResolveHost = Names['resolve']
