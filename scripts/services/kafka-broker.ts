import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CannotOpen } from '../services.ts'
import { freePort } from './free-port.ts'
import { type Guarded, guard } from './guard.ts'
import { run } from './run.ts'

export type KafkaBrokerOptions = Readonly<{
  /** The folder with Kafka's jars (`findKafka`). */
  jars: string
  /** Lines of server.properties beside and above our own, under Kafka's names. Values may have several lines (PEM). */
  settings?: Readonly<Record<string, string>>
  /** Beside the one without security: by name (capitals) its protocol, and settings under `listener.name.<name>.`. */
  listeners?: Readonly<Record<string, KafkaListener>>
  /** Its controller and cluster; without it, it is a cluster of its own. */
  joins?: KafkaBroker
  /** Users that SCRAM-SHA-256 and SCRAM-SHA-512 know from the start: passwords by name. */
  scram?: Readonly<Record<string, string>>
}>

export type KafkaListener = Readonly<{
  protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  /** `host:port` that clients are told to call, where a proxy stands between. */
  advertised?: string
  settings?: Readonly<Record<string, string>>
}>

/** A Kafka that keeps its ports and its data until `stop`: broker and controller, or the second broker of another. */
export interface KafkaBroker {
  readonly cluster: KafkaClusterName
  /** `host:port` of the listener without security, under `User:ANONYMOUS`, who is a superuser where there are ACLs. */
  readonly address: string
  /** `host:port` of each further listener, by name. */
  readonly addresses: Readonly<Record<string, string>>
  /** kill -9. Resolves when it is dead; its data stays as the system has it. */
  kill(): Promise<void>
  /** Starts it again after `kill`, and resolves when it answers. */
  start(): Promise<void>
  /** It stands still with its connections open, as on a machine that hangs, until `thaw`. */
  freeze(): void
  thaw(): void
  /** Ends it and removes its data. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** `controller`: its `host:port`. */
type KafkaClusterName = Readonly<{ id: string; controller: string }>

const START_MS = 90_000
const FORMAT_MS = 60_000
const ANSWER_MS = 2_000
const POLL_MS = 100

/** Starts a broker on loopback, and resolves when it answers. It does not outlive this process. */
export async function startKafkaBroker(options: KafkaBrokerOptions): Promise<KafkaBroker> {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-kafka-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const settingsFile = join(folder, 'server.properties')
  let running: Guarded | null = null
  const stop = async () => {
    await running?.stop()
    running = null
    remove()
  }
  const start = async () => {
    running ??= guard({ program: programOf(options, settingsFile), afterwards: [], remove: [folder] })
    const failure = await untilAnswers(address, running.ended)
    if (failure === null) return
    await stop()
    throw new CannotOpen(failure, true)
  }
  const [controller, plain, ...others] = await freePorts(2 + Object.keys(options.listeners ?? {}).length)
  const address = `127.0.0.1:${plain}`
  const addresses = Object.fromEntries(
    Object.keys(options.listeners ?? {}).map((name, at) => [name, `127.0.0.1:${others[at]}`]),
  )
  const cluster = options.joins?.cluster ?? {
    // A leading dash would read as an option.
    id: `A${randomBytes(16).toString('base64url').slice(1)}`,
    controller: `127.0.0.1:${controller}`,
  }
  try {
    const settings = settingsOf(options, folder, cluster.controller, { PLAINTEXT: address, ...addresses })
    writeFileSync(settingsFile, propertiesOf(settings), { mode: 0o600 })
    await format(options, settingsFile, cluster.id)
    await start()
  } catch (error) {
    remove()
    throw error
  }
  return {
    cluster,
    address,
    addresses,
    start,
    stop,
    [Symbol.asyncDispose]: stop,
    freeze: () => running?.signal('SIGSTOP'),
    thaw: () => running?.signal('SIGCONT'),
    async kill() {
      running?.signal('SIGKILL')
      await running?.ended
      running = null
    },
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < count) ports.add(await freePort())
  return [...ports]
}

function settingsOf(
  options: KafkaBrokerOptions,
  folder: string,
  controller: string,
  addresses: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const own = Object.entries(options.listeners ?? {})
  const all = Object.entries(addresses)
  const bound = all.map(([name, address]) => `${name}://${address}`)
  const told = all.map(([name, address]) => `${name}://${options.listeners?.[name]?.advertised ?? address}`)
  const protocols = own.map(([name, { protocol }]) => `${name}:${protocol}`)
  const ofListeners = own.flatMap(([name, { settings }]) =>
    Object.entries(settings ?? {}).map(([key, value]) => [
      `listener.name.${name.toLowerCase()}.${key}`,
      value,
    ]),
  )
  const isFirst = options.joins === undefined
  return {
    'process.roles': isFirst ? 'broker,controller' : 'broker',
    'node.id': isFirst ? '1' : '2',
    'controller.quorum.voters': `1@${controller}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    listeners: [...bound, ...(isFirst ? [`CONTROLLER://${controller}`] : [])].join(),
    'advertised.listeners': told.join(),
    'listener.security.protocol.map': ['PLAINTEXT:PLAINTEXT', 'CONTROLLER:PLAINTEXT', ...protocols].join(),
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    // 50 are made at first use; a few do here.
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.num.partitions': '4',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    // After kill -9 the controller takes the broker that it remembers for alive, and lets no other in for as long.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    'super.users': 'User:ANONYMOUS',
    ...Object.fromEntries(ofListeners),
    ...options.settings,
  }
}

/** In Java's format, where a backslash begins an escape and a line ends a value. */
function propertiesOf(settings: Readonly<Record<string, string>>): string {
  const escaped = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${escaped(value)}\n`)
    .join('')
}

async function format(options: KafkaBrokerOptions, settingsFile: string, cluster: string): Promise<void> {
  const users = Object.entries(options.scram ?? {}).flatMap(([name, password]) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]),
  )
  const [command, ...args] = javaOf(options.jars, 'kafka.tools.StorageTool')
  const formatted = await run(
    command,
    [...args, 'format', '--cluster-id', cluster, '--config', settingsFile, ...users],
    { timeoutMs: FORMAT_MS },
  )
  if (!formatted.ok) throw new CannotOpen(formatted.reason, true)
}

function programOf(options: KafkaBrokerOptions, settingsFile: string) {
  const [command, ...args] = javaOf(options.jars, 'kafka.Kafka')
  return {
    command,
    args: [...args, settingsFile],
    account: null,
    signal: 'SIGTERM',
    graceMs: 10_000,
  } as const
}

function javaOf(jars: string, main: string): readonly [string, ...string[]] {
  const quiet = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  return ['java', '-Xmx512m', '-XX:+UseSerialGC', ...quiet, '-cp', join(jars, '*'), main]
}

/**
 * Resolves to null once a broker answers a request for metadata at `host:port`, else to what is wrong. `ended`: of its
 * program, with the last of what it printed.
 */
export async function untilAnswers(address: string, ended: Promise<string> | null): Promise<string | null> {
  const deadline = performance.now() + START_MS
  const over = ended?.then((output) => `kafka ended: ${output}`)
  while (performance.now() < deadline) {
    if (await answersMetadata(address)) return null
    const failure = await Promise.race([sleep(POLL_MS, null), ...(over === undefined ? [] : [over])])
    if (failure !== null) return failure
  }
  return `kafka did not answer within ${START_MS / 1000} s`
}

/** Asks for the brokers and no topics (Metadata, version 1), and expects itself in the answer. */
function answersMetadata(address: string): Promise<boolean> {
  const { hostname, port } = new URL(`kafka://${address}`)
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: ANSWER_MS })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    let received = Buffer.alloc(0)
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
    socket.once('close', () => end(false))
    socket.once('connect', () => socket.write(METADATA_REQUEST))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      // Length, the number of our request, how many brokers.
      if (received.length >= 12) end(received.readInt32BE(8) > 0)
    })
  })
}

/** Length, key 3, version 1, the request's number, no client id, no topics. */
const METADATA_REQUEST = Buffer.from('0000000e0003000100000001ffff00000000', 'hex')
