import { readdirSync, readFileSync } from 'node:fs'
import type { Config, RouteConfig } from '../../../gateway/config/model.ts'
import { decodeNotice, type Notice } from '../../../gateway/dingtalk/notice.ts'
import {
  createPublisher,
  type Publisher,
  type PublisherOptions,
} from '../../../gateway/dingtalk/publisher.ts'
import type { CompileCondition } from '../../../gateway/dingtalk/routes.ts'
import { loadTemplates, type Templates } from '../../../gateway/dingtalk/templates.ts'
import type { Event, EventData, Origin } from '../../../gateway/event.ts'
import { createMemoryLog, type MemoryLog } from '../../../gateway/log/memory.ts'
import type { MemoryFaults } from '../../../gateway/log/memory-faults.ts'
import type { Log } from '../../../gateway/log/port.ts'
import type { Files, Http, Ports } from '../../../gateway/ports.ts'
import { createRedactor } from '../../../gateway/redactor.ts'
import { createTasks, type Failpoints, NO_FAILPOINTS, NO_HISTORY } from '../../../gateway/runtime.ts'
import { DEFAULT_KEEP, entityTopic, TOPICS, topicSpecs } from '../../../gateway/topics.ts'
import { type SimulatedRuntime, simulatedRuntime } from '../../kit/simulated-runtime.ts'
import { DEMO_COMPANY } from '../../lab/dingtalk/company.ts'
import { exchange } from '../../lab/dingtalk/service.ts'
import { createState, type State } from '../../lab/dingtalk/state.ts'

/** Origin of a DingTalk that lives in the test's own virtual time. */
export const VIRTUAL_ORIGIN = 'http://dingtalk.test'

const FILES: Files = {
  read: (path) => readFileSync(path, 'utf8'),
  list: (path) => readdirSync(path).sort(),
}

export const TEMPLATES: Templates = loadTemplates(FILES, 'schemas/templates')

/** Conditions of the tests: `yes`, `no`, `fails`, `changed.<field>`, or the code of the status. */
export const compileCondition: CompileCondition = (_entity, text) => (event, changed) => {
  if (text === 'fails') return { kind: 'failed', reason: 'data.reorderPoint is absent' }
  if (text === 'yes' || text === 'no') return { kind: 'value', value: text === 'yes' }
  const field = /^changed\.(.*)$/.exec(text)?.[1]
  if (field !== undefined) return { kind: 'value', value: changed[field] === true }
  return { kind: 'value', value: (event.data['status'] as { code?: string } | undefined)?.code === text }
}

export function route(name: string, rest: Partial<RouteConfig>): RouteConfig {
  return {
    name,
    entity: 'payment',
    actions: ['created', 'changed'],
    from: null,
    when: null,
    to: [{ kind: 'person', person: 'lan' }],
    as: 'message',
    template: 'payment-approved',
    origins: ['live', 'sweep'],
    maxAgeMs: 86_400_000,
    ...rest,
  }
}

export function configWith(routes: readonly RouteConfig[], origin = VIRTUAL_ORIGIN): Config {
  return {
    gateway: 'test',
    data: '/nowhere',
    companies: {
      '001': { name: 'Example Trading', currency: 'HKD', zone: 'Asia/Hong_Kong' },
      '1000': { name: 'Example Manufacturing', currency: 'CNY', zone: 'Asia/Shanghai' },
    },
    log: { driver: 'memory', partitions: 2, keep: DEFAULT_KEEP },
    mappings: [],
    workersMax: 1,
    sources: {
      k3: {
        name: 'k3',
        kind: 'toy',
        system: 'k3-wise',
        company: '001',
        zone: 'UTC',
        connection: {},
        feeds: {},
      },
      sap: {
        name: 'sap',
        kind: 'toy',
        system: 'sap-ecc',
        company: 'from-record',
        zone: 'UTC',
        connection: {},
        feeds: {},
      },
    },
    people: {
      lan: { dingtalk: '0171234567', language: 'vi', zone: 'Asia/Ho_Chi_Minh', company: '001' },
      wei: { dingtalk: '0181234567', language: 'zh-CN', zone: 'Asia/Shanghai', company: '1000' },
      meiling: { dingtalk: '0191234567', language: 'zh-HK', zone: 'Asia/Hong_Kong', company: '001' },
      daniel: { dingtalk: '0201234567', language: 'vi', zone: 'Asia/Ho_Chi_Minh', company: '001' },
      ghost: { dingtalk: '0000000000', language: 'vi', zone: 'Asia/Ho_Chi_Minh', company: '001' },
    },
    roles: {
      'purchasing-manager': [
        { of: { company: '1000', plant: '1010' }, people: ['wei'] },
        { of: { company: '001' }, people: ['lan', 'daniel'] },
      ],
    },
    dingtalk: {
      api: origin,
      oapi: origin,
      app: { clientId: 'env:DT_ID', clientSecret: 'env:DT_SECRET', robotCode: 'env:DT_ROBOT' },
      groups: {
        warehouse: {
          kind: 'conversation',
          conversation: 'cidWarehouse0000000000000000001==',
          language: 'vi',
        },
        purchasing: {
          kind: 'webhook',
          webhook: 'env:DT_PURCHASING_WEBHOOK',
          secret: 'env:DT_PURCHASING_SECRET',
          language: 'zh-CN',
        },
      },
    },
    routes: Object.fromEntries(routes.map((one) => [one.name, one])),
  }
}

/** What the config's references stand for. */
export function secretsFor(origin: string): Ports['secrets'] {
  const values: Readonly<Record<string, string>> = {
    'env:DT_ID': 'dingdemoclient',
    'env:DT_SECRET': 'demo-client-secret',
    'env:DT_ROBOT': 'dingdemoclient',
    'env:DT_PURCHASING_WEBHOOK': `${origin}/robot/send?access_token=demo-purchasing-token`,
    'env:DT_PURCHASING_SECRET': 'SECdemo-purchasing-secret',
  }
  return { read: (reference) => values[reference] ?? null }
}

export type EventOptions = Readonly<{
  number: string
  entity?: string
  action?: 'created' | 'changed' | 'deleted'
  source?: string
  origin?: Origin
  revision?: number
  time?: string
  changedfields?: string
  data?: EventData
}>

export function eventOf(options: EventOptions): Event {
  const {
    number,
    entity = 'payment',
    action = 'created',
    source = '/erp/k3-wise/001',
    revision = 1,
  } = options
  return {
    specversion: '1.0',
    id: `${source}/${number}@${revision}`,
    type: `erp.${entity}.${action}.v1`,
    source,
    subject: number,
    time: options.time ?? '2026-03-02T15:59:00+08:00',
    datacontenttype: 'application/json',
    dataschema: `erp/${entity}.v1`,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    revision,
    lineage: 'L1',
    contenthash: 'h',
    origin: options.origin ?? 'live',
    sourcekey: number,
    sourcefingerprint: 'f',
    mappingversion: 'm',
    readorder: '1',
    ...(options.changedfields === undefined ? {} : { changedfields: options.changedfields }),
    data: options.data ?? {
      number,
      status: { code: 'approved', raw: '3' },
      amount: { value: '1234567.50', currency: 'HKD' },
      party: { code: '100077', raw: '0000100077', name: '深圳螺栓厂' },
      dueDate: '2026-03-31',
      approvedBy: 'CHAN',
    },
  }
}

export async function append(log: Log, events: readonly Event[]): Promise<void> {
  const signal = new AbortController().signal
  const writer = await log.writer('test.source', signal)
  const records = events.map((event) => ({
    topic: entityTopic(event.type.split('.')[1] ?? ''),
    key: `${event.source.slice('/erp/'.length)}/${event.subject}`,
    value: new TextEncoder().encode(JSON.stringify(event)),
  }))
  const commit = await writer.transact({ records }, signal)
  if (commit.kind !== 'committed') throw new Error(`The test's own append ended as ${commit.kind}.`)
  await writer.close()
}

/** Every record of the notices topic, by partition and offset. */
export async function readNotices(log: Log): Promise<readonly Notice[]> {
  const signal = new AbortController().signal
  const [state] = await log.ensure(noticeSpec(), signal)
  const notices: Notice[] = []
  for (let partition = 0; partition < (state?.partitions ?? 0); partition += 1) {
    for await (const chunk of log.readTo({ topic: TOPICS.notices, partition }, 0, { signal })) {
      for (const record of chunk.records) if (record.value !== null) notices.push(decodeNotice(record.value))
    }
  }
  return notices
}

/** How each notice stands: its newest record. */
export async function standing(log: Log): Promise<readonly Notice[]> {
  return [...new Map((await readNotices(log)).map((notice) => [notice.id, notice])).values()]
}

function noticeSpec() {
  return topicSpecs([], DEFAULT_KEEP).filter(({ name }) => name === TOPICS.notices)
}

/** A log, a DingTalk and the time that they share; all virtual, so a day passes in a millisecond. */
export type World = Readonly<{
  time: SimulatedRuntime
  log: MemoryLog
  dingtalk: State
  /** Errors and warnings that a publisher logged. */
  logged: string[]
  ports(options?: Readonly<{ failpoints?: Failpoints; http?: Http }>): Ports
  options(config: Config, ports: Ports): PublisherOptions
  /** Lets time pass until `isDone`, or fails. */
  until(isDone: () => boolean): Promise<void>
  pass(ms: number): Promise<void>
}>

export async function createWorld(seed = 'publisher', faults: MemoryFaults = {}): Promise<World> {
  const time = simulatedRuntime(seed)
  const log = createMemoryLog({ runtime: time.truth, partitions: 2, faults })
  const dingtalk = createState(DEMO_COMPANY)
  const logged: string[] = []
  const note = (message: string, fields?: object) =>
    void logged.push(`${message} ${JSON.stringify(fields ?? {})}`)
  const specs = topicSpecs(['payment', 'stock-level'], DEFAULT_KEEP)
  await log.ensure(specs, new AbortController().signal)
  return {
    time,
    log,
    dingtalk,
    logged,
    ports: ({ failpoints = NO_FAILPOINTS, http } = {}) => ({
      runtime: time.runtime,
      tasks: createTasks((task, error) => note(`task ${task.name} failed`, { error: String(error) })),
      logger: { info: () => undefined, warn: note, error: note },
      failpoints,
      history: NO_HISTORY,
      log: log.connect(),
      projections: {
        open: () => {
          throw new Error('A publisher needs no projection.')
        },
      },
      http: http ?? virtualHttp(time, dingtalk),
      files: FILES,
      secrets: secretsFor(VIRTUAL_ORIGIN),
      redactor: createRedactor(),
      names: { resolve: async () => null },
    }),
    options: (config, ports) => ({ config, ports, templates: TEMPLATES, compileCondition }),
    async until(isDone) {
      await time.run(time.now() + 10 * 86_400_000, { stepsMax: 200_000, isDone })
      if (!isDone()) throw new Error(`It never came to pass; logged: ${logged.slice(-5).join('\n')}`)
    },
    pass: (ms) => time.run(time.now() + ms, { stepsMax: 200_000 }),
  }
}

/** The emulated service in virtual time: a request takes 20 ms there and 20 ms back. */
export function virtualHttp(time: SimulatedRuntime, dingtalk: State): Http {
  const travel = (ms: number) => time.truth.sleep(ms, new AbortController().signal)
  return {
    async send(request) {
      await travel(20)
      const url = new URL(request.url)
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]),
      )
      const wire = {
        method: request.method,
        path: url.pathname,
        query: url.searchParams,
        headers,
        body: request.body ?? '',
      }
      const outcome = exchange(dingtalk, wire, time.now())
      if (outcome.kind === 'reset') return { kind: 'unknown', reason: 'The connection was reset' }
      if (outcome.delayMs > request.timeoutMs) {
        await travel(request.timeoutMs)
        return { kind: 'unknown', reason: 'No answer in time' }
      }
      await travel(20 + outcome.delayMs)
      const { status, contentType, body } = outcome.answer
      return { kind: 'answered', status, headers: { 'content-type': contentType }, body }
    },
  }
}

/** Runs a publisher until all that the log holds is told, and stops it. Rejects with what the publisher threw. */
export async function drain(world: World, options: PublisherOptions): Promise<Publisher> {
  const publisher = createPublisher(options)
  const stop = new AbortController()
  const running = publisher.run(stop.signal)
  const ends = await endsOf(world.log)
  await settled(world, Promise.race([publisher.reached(ends, stop.signal), running]))
  stop.abort()
  await settled(world, running)
  return publisher
}

/** Lets virtual time pass until a promise is settled, and gives what it gives. */
export async function settled<Value>(world: World, promise: Promise<Value>): Promise<Value> {
  let isSettled = false
  const mark = () => {
    isSettled = true
  }
  promise.then(mark, mark)
  await world.until(() => isSettled)
  return promise
}

/** The ends of all entity partitions, for `reached`. */
export async function endsOf(log: Log) {
  const { signal } = new AbortController()
  const places = ['erp.payment.v1', 'erp.stock-level.v1'].flatMap((topic) =>
    [0, 1].map((partition) => ({ topic, partition })),
  )
  return Promise.all(places.map(async (partition) => ({ partition, end: await log.end(partition, signal) })))
}
