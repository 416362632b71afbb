import { dirname, resolve } from 'node:path'
import type { Calendars } from './calendars.ts'
import { branchOf, isGroup, type JsonSchema, memberOf } from './json-schema.ts'
import type {
  Config,
  DingTalkConfig,
  FeedConfig,
  KafkaLogConfig,
  LogConfig,
  Person,
  RouteConfig,
  Schedule,
  SourceConfig,
} from './model.ts'
import { type ConfigInput, DINGTALK_ORIGINS, type FeedInput, type SourceInput } from './schema.ts'

/** When a feed is read where neither it nor its source says. */
const DEFAULT_POLL: Schedule = { everyMs: 30_000 }

/**
 * What the file means: paths made absolute, and what is inherited filled in. The input has passed every check, so
 * names it refers to are there; `schema` is that of the whole file and says which settings are paths.
 */
export function effectiveConfig(
  input: ConfigInput,
  folder: string,
  schema: JsonSchema,
  calendars: Calendars['calendars'],
): Config {
  const { companies, people, sources, routes } = input
  return {
    gateway: input.gateway,
    data: resolve(folder, input.data),
    companies,
    log: logConfig(input.log),
    mappings: mappingFolders(input.mappings, folder),
    workersMax: input.workersMax,
    sources: mapValues(sources, (source, name) => ({
      ...sourceConfig(source, name, companies),
      ...closuresOf(source, calendars),
      connection: withPaths(connectionSchema(schema, source), source.connection, folder),
    })),
    people: mapValues(
      people,
      (person): Person => ({
        dingtalk: person.dingtalk,
        language: person.language,
        zone: person.zone ?? zoneOf(person.company, companies) ?? 'UTC',
        company: person.company ?? null,
      }),
    ),
    roles: input.roles,
    dingtalk: input.dingtalk === undefined ? null : dingtalkConfig(input.dingtalk),
    routes: mapValues(routes, routeConfig),
  }
}

function logConfig(written: ConfigInput['log']): LogConfig {
  const { history, rejects, deliveries, statements, audit } = written.keep
  const common = {
    partitions: written.partitions,
    keep: {
      historyMs: history,
      rejectsMs: rejects,
      deliveriesMs: deliveries,
      statementsMs: statements,
      auditMs: audit,
    },
  }
  if (written.driver !== 'kafka') return { driver: 'embedded', ...common, diskMaxBytes: written.diskMax }
  const { brokers, client, prefix, replication, tls, sasl } = written
  return {
    driver: 'kafka',
    ...common,
    ...{ brokers, client, prefix },
    replication: replication ?? null,
    tls: tlsConfig(tls),
    sasl: sasl ?? null,
  }
}

type WrittenTls = Extract<ConfigInput['log'], { driver: 'kafka' }>['tls']

function tlsConfig(written: WrittenTls): KafkaLogConfig['tls'] {
  if (written === undefined || written === false) return null
  const { ca = null, cert = null, key = null } = written === true ? {} : written
  return { ca, cert, key }
}

/** The folder that relative paths of a config start from. */
export function folderOf(path: string, isFolder: boolean): string {
  return isFolder ? path : dirname(path)
}

export function mappingFolders(written: readonly string[], folder: string): readonly string[] {
  return written.map((path) => resolve(folder, path))
}

function connectionSchema(schema: JsonSchema, source: SourceInput): JsonSchema {
  const anySource = memberOf(memberOf(schema, 'sources'), '')
  return memberOf(branchOf(anySource, source), 'connection')
}

/** Settings in which what their adapter declares as a path is absolute. */
function withPaths(schema: JsonSchema, value: unknown, folder: string): unknown {
  const branch = branchOf(schema, value)
  if (Array.isArray(value)) return value.map((item) => withPaths(branch.items ?? {}, item, folder))
  if (isGroup(value)) return mapValues(value, (inner, key) => withPaths(memberOf(branch, key), inner, folder))
  return branch.path === true && typeof value === 'string' ? resolve(folder, value) : value
}

type Companies = ConfigInput['companies']

function sourceConfig(
  source: SourceInput,
  name: string,
  companies: Companies,
): Omit<SourceConfig, 'connection'> {
  return {
    name,
    kind: source.kind,
    system: source.system,
    company: source.company,
    zone: source.zone ?? zoneOf(source.company, companies) ?? 'UTC',
    feeds: mapValues(source.feeds, (feed, feedName) => feedConfig(feed, feedName, source.poll)),
  }
}

/** When it is left alone; nothing where it never is. */
function closuresOf(
  { calendar, blackout }: SourceInput,
  calendars: Calendars['calendars'],
): Pick<SourceConfig, 'closures'> {
  if (calendar === undefined && blackout === undefined) return {}
  const of = calendar === undefined ? null : (calendars[calendar] ?? null)
  return { closures: { calendar: of, blackout: blackout ?? [] } }
}

function feedConfig(feed: FeedInput, name: string, inherited: Schedule | undefined): FeedConfig {
  const { mapping, start, poll, sweep, fuse, ...adapter } = feed
  return { name, mapping, start, poll: poll ?? inherited ?? DEFAULT_POLL, sweep, fuse, adapter }
}

function zoneOf(company: string | undefined, companies: Companies): string | undefined {
  if (company === undefined || !Object.hasOwn(companies, company)) return undefined
  return companies[company]?.zone
}

function dingtalkConfig(written: NonNullable<ConfigInput['dingtalk']>): DingTalkConfig {
  return {
    api: written.api ?? DINGTALK_ORIGINS.api,
    oapi: written.oapi ?? DINGTALK_ORIGINS.oapi,
    app: written.app ?? null,
    groups: written.groups,
  }
}

function routeConfig(route: ConfigInput['routes'][string], name: string): RouteConfig {
  return {
    name,
    entity: route.on.entity,
    actions: route.on.actions,
    from: route.from ?? null,
    when: route.when ?? null,
    to: route.to,
    as: route.as,
    template: route.template,
    origins: route.origins,
    maxAgeMs: route.maxAge,
  }
}

function mapValues<From, To>(
  of: Readonly<Record<string, From>>,
  change: (value: From, name: string) => To,
): Readonly<Record<string, To>> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, change(value, name)]))
}
