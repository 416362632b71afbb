import type { SourceRecord } from '../../adapters/contract.ts'
import type { AnyAdapter } from '../../adapters/registry.ts'
import type { Config, FeedConfig, RouteConfig, SourceConfig } from '../../gateway/config/model.ts'
import { runPublisher } from '../../gateway/dingtalk/publisher.ts'
import type { CompileCondition } from '../../gateway/dingtalk/routes.ts'
import type { Template, Templates } from '../../gateway/dingtalk/templates.ts'
import type { LaneMutation } from '../../gateway/lane/lane-options.ts'
import { Source, type SourceRequest } from '../../gateway/lane/source.ts'
import type { LaneStatus } from '../../gateway/lane/status.ts'
import type { Mapped, Mapping } from '../../gateway/mapping/mapping.ts'
import type { Ports } from '../../gateway/ports.ts'
import { isAbort } from '../../gateway/runtime.ts'
import { DEFAULT_KEEP } from '../../gateway/topics.ts'
import type { Published } from '../kit/checkers/facts.ts'
import type { Expected } from '../kit/checkers/notices-once.ts'
import type { ToyFeed } from './toy-calls.ts'
import type { Contacts } from './toy-dingtalk.ts'
import { COMPANY, NO_AMOUNT, SYSTEM } from './world.ts'

/** A feed of the toy source; its name is that of its table. Two feeds may publish one entity. */
export type FeedPlan = Readonly<{ name: string; entity: string; everyMs: number; adapter: ToyFeed }>

export const SOURCE = 'erp'
const GATEWAY = 'sim'

/** A gateway over one source and DingTalk, at work until the signal aborts. */
export type ToyGateway = Readonly<{
  statuses(): readonly LaneStatus[]
  request(request: SourceRequest): Promise<unknown>
}>

const PUBLISHER_PAUSE_MS = 2_000

export function startGateway(
  options: Readonly<{
    ports: Ports
    adapter: AnyAdapter
    feeds: readonly FeedPlan[]
    /** Edited now and then, to mean the same. */
    mappingVersion: string
    mutations: ReadonlySet<LaneMutation>
    failed: (what: string, error: unknown) => void
  }>,
  signal: AbortSignal,
): ToyGateway {
  const { ports, adapter, feeds, mappingVersion, mutations, failed } = options
  const config = configOf(feeds)
  const source = new Source(
    {
      gateway: GATEWAY,
      source: sourceOf(feeds),
      adapter,
      mappings: new Map(feeds.map(({ name, entity }) => [name, toyMapping(entity, mappingVersion)])),
      keep: DEFAULT_KEEP,
      sharedFeeds: sharedFeeds(feeds),
      ports,
      mutations,
    },
    signal,
  )
  const publish = async () => {
    while (!signal.aborted) {
      try {
        await runPublisher({ config, ports, templates: TEMPLATES, compileCondition, signal })
      } catch (error) {
        if (isAbort(error, signal)) throw error
        failed('publisher', error)
        await ports.runtime.sleep(PUBLISHER_PAUSE_MS, signal)
      }
    }
  }
  // One task for all: whatever a killed incarnation throws while it starts ends in it.
  ports.tasks.spawn('sim', 'gateway', signal, async () => {
    ports.tasks.spawn('sim', 'publisher', signal, publish)
    await source.run('run')
  })
  return { statuses: () => source.statuses(), request: (request) => source.request(request) }
}

// ─── mapping ────────────────────────────────────────────────────────────────────────────────────

function sharedFeeds(feeds: readonly FeedPlan[]): ReadonlySet<string> {
  const sharing = feeds.filter(({ name, entity }) =>
    feeds.some((other) => other.name !== name && other.entity === entity),
  )
  return new Set(sharing.map(({ name }) => name))
}

function toyMapping(entity: string, version: string): Mapping {
  return {
    name: `toy/${entity}`,
    entity,
    version,
    reads: [],
    identity: ['number'],
    volatile: [],
    map: mapRecord,
  }
}

function mapRecord({ data }: SourceRecord): Mapped {
  const { number = '', status = '', amount = '', mark = '' } = data
  if (amount === NO_AMOUNT) {
    return { kind: 'rejected', code: 'VALUE_REFUSED', field: 'amount', line: 7, reason: 'No number.' }
  }
  return {
    kind: 'mapped',
    company: COMPANY,
    subject: String(number),
    time: null,
    data: { number, status, amount, mark },
  }
}

// ─── routes ─────────────────────────────────────────────────────────────────────────────────────

export const CONTACTS: Contacts = {
  users: { 'user-wang': 'person:wang', 'user-li': 'person:li' },
  conversations: { 'conversation-stock': 'group:stock' },
  webhooks: { 'token-buyers': 'group:buyers' },
}

/** The toy's conditions look at the status: one is about the approved, the other fails where it is blocked. */
const compileCondition: CompileCondition = (_entity, text) => (event) => {
  if (text === 'fails') return { kind: 'failed', reason: 'It was built to.' }
  return { kind: 'value', value: event.data['status'] === text }
}

function routesOf(feeds: readonly FeedPlan[]): Readonly<Record<string, RouteConfig>> {
  const route = (
    name: string,
    entity: string,
    rest: Pick<RouteConfig, 'actions' | 'when' | 'to'>,
  ): RouteConfig => ({
    name,
    entity,
    from: null,
    as: 'message',
    template: 'toy',
    origins: ['live', 'sweep'],
    maxAgeMs: 86_400_000,
    ...rest,
  })
  const changes = ['created', 'changed'] as const
  const [first, second, third] = feeds
  const routes = [
    ...(first === undefined
      ? []
      : [
          route('approved', first.entity, {
            actions: changes,
            when: 'approved',
            to: [
              { kind: 'role', role: 'buyer' },
              { kind: 'group', group: 'buyers' },
            ],
          }),
        ]),
    ...(second === undefined
      ? []
      : [
          route('every', second.entity, {
            actions: ['created', 'changed', 'deleted'],
            when: null,
            to: [{ kind: 'group', group: 'stock' }],
          }),
        ]),
    ...(third === undefined
      ? []
      : [
          route('broken', third.entity, {
            actions: ['created'],
            when: 'fails',
            to: [{ kind: 'person', person: 'li' }],
          }),
        ]),
  ]
  return Object.fromEntries(routes.map((one) => [one.name, one]))
}

/** What the routes want told about an event. */
export function expectedOf(feeds: readonly FeedPlan[]): (published: Published) => readonly Expected[] {
  const routes = Object.values(routesOf(feeds))
  return ({ event }) => {
    const [, entity, action] = event.type.split('.')
    return routes.flatMap(({ name, when, ...route }) => {
      const concerns =
        route.entity === entity &&
        route.actions.some((known) => known === action) &&
        route.origins.includes(event.origin)
      if (!concerns || (when === 'approved' && event.data['status'] !== 'approved')) return []
      return route.to.flatMap((to) => destinationsOf(to).map((destination) => ({ route: name, destination })))
    })
  }
}

function destinationsOf(to: RouteConfig['to'][number]): readonly string[] {
  switch (to.kind) {
    case 'role':
      return ['person:wang', 'person:li']
    case 'person':
      return [`person:${to.person}`]
    case 'group':
      return [`group:${to.group}`]
  }
}

const WORDING: Template['languages']['en'] = {
  title: [{ kind: 'value', path: ['event', 'subject'], format: 'text' }],
  text: [
    { kind: 'value', path: ['event', 'action'], format: 'text' },
    { kind: 'text', text: ' ' },
    { kind: 'value', path: ['event', 'subject'], format: 'text' },
    { kind: 'text', text: ' ' },
    { kind: 'value', path: ['data', 'mark'], format: 'text' },
  ],
}

const TEMPLATES: Templates = {
  named: new Map([
    ['toy', { name: 'toy', languages: { vi: WORDING, 'zh-CN': WORDING, 'zh-HK': WORDING, en: WORDING } }],
  ]),
  words: new Map(),
}

// ─── config ─────────────────────────────────────────────────────────────────────────────────────

function sourceOf(feeds: readonly FeedPlan[]): SourceConfig {
  return {
    name: SOURCE,
    kind: 'toy',
    system: SYSTEM,
    company: COMPANY,
    zone: 'Asia/Shanghai',
    connection: {},
    feeds: Object.fromEntries(feeds.map((feed) => [feed.name, feedOf(feed)])),
  }
}

function feedOf({ name, entity, everyMs, adapter }: FeedPlan): FeedConfig {
  return {
    name,
    mapping: `toy/${entity}`,
    start: 'all',
    sweep: null,
    poll: { everyMs },
    fuse: { deleted: null, changed: null, created: null, rejected: { atLeast: 1_000, percent: 100 } },
    adapter,
  }
}

function configOf(feeds: readonly FeedPlan[]): Config {
  const group = { language: 'en' } as const
  return {
    gateway: GATEWAY,
    data: '/nowhere',
    companies: { [COMPANY]: { name: 'Toy', currency: 'HKD', zone: 'Asia/Hong_Kong' } },
    log: { driver: 'memory', partitions: 3, keep: DEFAULT_KEEP },
    mappings: [],
    workersMax: 1,
    sources: { [SOURCE]: sourceOf(feeds) },
    people: {
      wang: { dingtalk: 'user-wang', language: 'en', zone: 'Asia/Shanghai', company: null },
      li: { dingtalk: 'user-li', language: 'en', zone: 'Asia/Shanghai', company: null },
    },
    roles: { buyer: [{ of: {}, people: ['wang', 'li'] }] },
    dingtalk: {
      api: 'https://api.toy.example',
      oapi: 'https://oapi.toy.example',
      app: { clientId: 'client', clientSecret: 'secret', robotCode: 'robot' },
      groups: {
        stock: { ...group, kind: 'conversation', conversation: 'conversation-stock' },
        buyers: {
          ...group,
          kind: 'webhook',
          webhook: 'https://oapi.toy.example/robot/send?access_token=token-buyers',
          secret: null,
        },
      },
    },
    routes: routesOf(feeds),
  }
}
