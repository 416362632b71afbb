import type { Runtime } from '../../runtime.ts'
import { LogError } from '../errors.ts'
import {
  type ConnectKafka,
  type KafkaAccess,
  type KafkaAddress,
  type KafkaCall,
  type KafkaConnection,
  KafkaFault,
  type ResolveHost,
} from './client.ts'
import { CODES, isElsewhere, isTransient, refusal } from './codes.ts'
import { FETCH } from './fetch.ts'
import type { Message } from './message.ts'
import {
  API_VERSIONS,
  type BrokerNode,
  type CoordinatorKind,
  CREATE_TOPICS,
  DESCRIBE_TOPICS,
  FIND_COORDINATOR,
  LIST_OFFSETS,
  METADATA,
  type TopicNode,
} from './messages-cluster.ts'
import { HEARTBEAT, JOIN_GROUP, LEAVE_GROUP, SYNC_GROUP } from './messages-group.ts'
import {
  ADD_GROUP,
  ADD_PARTITIONS,
  COMMIT_POSITIONS,
  DESCRIBE_PRODUCERS,
  DESCRIBE_TRANSACTION,
  END_TRANSACTION,
  FETCH_POSITIONS,
  INIT_PRODUCER,
} from './messages-transaction.ts'
import { PRODUCE } from './produce.ts'

/**
 * A broker serves the requests of a connection one after the other, so that one which waits (for records, for members
 * of a group) has a connection of its own.
 */
export type Use = 'write' | 'read' | 'follow' | `member ${string}`

/** Where a request goes: a broker by its node id, or null for any. */
export type Target = Readonly<{ node: number | null; use: Use; timeoutMs: number }>

export type ClusterOptions = Readonly<{
  access: KafkaAccess
  /** Any brokers of the cluster, to learn of the others. */
  bootstrap: readonly KafkaAddress[]
  connect: ConnectKafka
  /** Null where the gateway may not talk to the host. */
  resolve: ResolveHost
  runtime: Runtime
}>

/** For requests that the broker answers at once. */
export const REQUEST_MS = 8_000

/** The brokers of a cluster and the connections to them, each made when it is first needed and made anew when it broke. */
export class KafkaCluster {
  readonly #options: ClusterOptions
  readonly #connections = new Map<string, Promise<KafkaConnection>>()
  #brokers: ReadonlyMap<number, BrokerNode> = new Map()
  readonly #coordinators = new Map<string, number>()
  #losses = 0
  readonly #closing = new AbortController()

  constructor(options: ClusterOptions) {
    this.#options = options
  }

  /** Aborts when the log is closed. */
  get closed(): AbortSignal {
    return this.#closing.signal
  }

  /** How often a broker did not answer: what it led may be led by another since. */
  get losses(): number {
    return this.#losses
  }

  /** One request, once. Throws KafkaFault where there is no answer and RangeError where it cannot be understood. */
  async ask<Request, Answer>(
    message: Message<Request, Answer>,
    request: Request,
    target: Target,
  ): Promise<Answer> {
    return message.decode(await this.exchange(message.call, message.encode(request), target))
  }

  async exchange(call: KafkaCall, body: Buffer, { node, use, timeoutMs }: Target): Promise<Buffer> {
    const name = `${node ?? 'any'} ${use}`
    try {
      const connection = await this.#connection(name, node)
      return await this.#within(timeoutMs, connection, call, connection.exchange(call, body))
    } catch (error) {
      if (node !== null) this.#lose(node)
      throw error
    }
  }

  #lose(node: number): void {
    this.#losses += 1
    for (const [name, known] of this.#coordinators) if (known === node) this.#coordinators.delete(name)
  }

  /** Brokers as they are now, and the topics that are asked for; null for all. */
  async describe(topics: readonly string[] | null): Promise<readonly TopicNode[]> {
    const answer = await this.ask(METADATA, topics, { node: null, use: 'read', timeoutMs: REQUEST_MS })
    this.#brokers = new Map(answer.brokers.map((broker) => [broker.node, broker]))
    return answer.topics
  }

  /** The broker that decides about a group or a transaction. It is remembered until `moved` says that it is another. */
  async coordinator(kind: CoordinatorKind, key: string, signal: AbortSignal): Promise<number> {
    const known = this.#coordinators.get(`${kind} ${key}`)
    if (known !== undefined) return known
    const find = () =>
      this.ask(FIND_COORDINATOR, { kind, key }, { node: null, use: 'read', timeoutMs: REQUEST_MS })
    const { error, node } = await this.repeat(find, ({ error }) => isTransient(error), REQUEST_MS, signal)
    if (error !== CODES.NONE) throw refusal(error, kind === 'group' ? `group ${key}` : `writing as ${key}`)
    this.#coordinators.set(`${kind} ${key}`, node)
    return node
  }

  moved(kind: CoordinatorKind, key: string): void {
    this.#coordinators.delete(`${kind} ${key}`)
  }

  /**
   * Asks the broker that decides about a group or a transaction, as `repeat` does, and another one where it says that it
   * is that no more.
   */
  async decided<Answer>(
    kind: CoordinatorKind,
    key: string,
    ask: (node: number) => Promise<Answer>,
    codeOf: (answer: Answer) => number,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const once = async () => {
      const answer = await ask(await this.coordinator(kind, key, signal))
      if (isElsewhere(codeOf(answer))) this.moved(kind, key)
      return answer
    }
    return await this.repeat(once, (answer) => isTransient(codeOf(answer)), limitMs, signal)
  }

  /**
   * Repeats a request as long as its answer says that it had no effect and may go through in a moment; the last answer
   * after `limitMs`. Rejects with the signal's reason when it aborts.
   */
  async repeat<Answer>(
    attempt: () => Promise<Answer>,
    isAgain: (answer: Answer) => boolean,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { runtime } = this.#options
    const until = runtime.mono() + BigInt(limitMs) * 1_000_000n
    const ending = AbortSignal.any([signal, this.#closing.signal])
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const answer = await attempt()
      if (!isAgain(answer) || runtime.mono() >= until) return answer
      await runtime.sleep(waitMs, ending)
    }
  }

  /** Ends the connections of a use that nobody has any more. */
  hangUp(use: Use): void {
    for (const [name, connection] of this.#connections) {
      if (!name.endsWith(` ${use}`)) continue
      this.#connections.delete(name)
      connection.then((open) => open.close()).catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new LogError('LOG_CLOSED', 'The log was closed.'))
    const all = [...this.#connections.values()]
    this.#connections.clear()
    for (const connection of await Promise.allSettled(all)) {
      if (connection.status === 'fulfilled') connection.value.close()
    }
  }

  async #connection(name: string, node: number | null): Promise<KafkaConnection> {
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason
    const known = this.#connections.get(name)
    if (known !== undefined) {
      const connection = await known
      if (connection.isOpen) return connection
      // Another caller may have made a new one meanwhile.
      if (this.#connections.get(name) !== known) return await this.#connection(name, node)
    }
    const opening = node === null ? this.#openAny() : this.#openNode(node)
    this.#connections.set(name, opening)
    try {
      return await opening
    } catch (error) {
      if (this.#connections.get(name) === opening) this.#connections.delete(name)
      throw error
    }
  }

  async #openNode(node: number): Promise<KafkaConnection> {
    if (!this.#brokers.has(node)) await this.describe([])
    const broker = this.#brokers.get(node)
    if (broker === undefined) throw new KafkaFault('unsent', `Broker ${node} of the Kafka cluster is away.`)
    return await this.#open(broker)
  }

  /** The first of all that are known that answers. */
  async #openAny(): Promise<KafkaConnection> {
    let failure: unknown = null
    for (const address of [...this.#brokers.values(), ...this.#options.bootstrap]) {
      try {
        return await this.#open(address)
      } catch (error) {
        failure ??= error
      }
    }
    throw failure ?? new KafkaFault('unsent', 'No broker of Kafka is named in the config.')
  }

  async #open({ host, port }: KafkaAddress): Promise<KafkaConnection> {
    const { access, connect, resolve } = this.#options
    const ip = await resolve(host, this.#closing.signal)
    if (ip === null) {
      throw new KafkaFault(
        'unsent',
        `The gateway may not talk to ${host}:${port}, which Kafka names as one of its brokers, or its name does not resolve; list all brokers under log.brokers.`,
      )
    }
    const connection = await connect({ host, port }, ip, access)
    try {
      await this.#introduce(connection)
    } catch (error) {
      connection.close()
      throw error
    }
    return connection
  }

  /** The first requests of a connection: does the broker speak what we speak, and with us? */
  async #introduce(connection: KafkaConnection): Promise<void> {
    const { where } = connection
    const first = async <Request, Answer>(
      { call, encode, decode }: Message<Request, Answer>,
      request: Request,
    ) => {
      const answer = connection.exchange(call, encode(request)).catch((error: unknown) => {
        if (error instanceof KafkaFault && error.kind === 'login') throw error
        // So does a broker that is just starting or ending, so that it is tried again.
        throw new KafkaFault(
          'unsent',
          `Kafka at ${where} closed the connection at the first request; if it goes on doing so, it wants TLS, a certificate or a login (log.tls, log.sasl).`,
          error,
        )
      })
      return decode(await this.#within(this.#options.access.connectMs, connection, call, answer))
    }
    const { ranges } = await first(API_VERSIONS, null)
    // What a broker speaks it tells to anybody; all else only to those who are in.
    await first(METADATA, [])
    for (const { name, apiKey, version } of SPOKEN) {
      const range = ranges.find((one) => one.apiKey === apiKey)
      if (range !== undefined && range.min <= version && version <= range.max) continue
      const speaks = range === undefined ? 'does not speak it' : `speaks ${range.min} to ${range.max}`
      throw new LogError(
        'LOG_UNFIT',
        `Kafka at ${where} cannot be used: ${name} is needed in version ${version}, and it ${speaks}. Kafka 3.9 to 4.x does.`,
      )
    }
  }

  /** An answer that does not come in time is lost, and so is whatever else waits on that connection. */
  async #within<Answer>(
    timeoutMs: number,
    connection: KafkaConnection,
    { name }: KafkaCall,
    answer: Promise<Answer>,
  ): Promise<Answer> {
    const over = new AbortController()
    const late = this.#options.runtime.sleep(timeoutMs, over.signal).then(
      () => {
        connection.close()
        throw new KafkaFault(
          'lost',
          `Kafka at ${connection.where} did not answer ${name} within ${timeoutMs} ms.`,
        )
      },
      () => new Promise<never>(() => undefined),
    )
    try {
      return await Promise.race([answer, late])
    } finally {
      over.abort()
      answer.catch(() => undefined)
    }
  }
}

const FIRST_WAIT_MS = 2
const LONGEST_WAIT_MS = 100

/** Everything that the driver asks of a broker. */
const SPOKEN: readonly KafkaCall[] = [
  PRODUCE,
  FETCH,
  ...[METADATA, FIND_COORDINATOR, CREATE_TOPICS, DESCRIBE_TOPICS, LIST_OFFSETS].map(({ call }) => call),
  ...[INIT_PRODUCER, ADD_PARTITIONS, ADD_GROUP, COMMIT_POSITIONS, END_TRANSACTION].map(({ call }) => call),
  ...[DESCRIBE_TRANSACTION, DESCRIBE_PRODUCERS].map(({ call }) => call),
  ...[FETCH_POSITIONS, JOIN_GROUP, SYNC_GROUP, HEARTBEAT, LEAVE_GROUP].map(({ call }) => call),
]
