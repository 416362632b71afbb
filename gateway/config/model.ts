import type { Origin } from '../event.ts'
import type { Keep } from '../topics.ts'

/**
 * The effective configuration: what the YAML means once it is checked, with defaults filled in, durations in ms and
 * secrets still references. Plain JSON, so that it can be handed to a worker thread.
 */
export type Config = Readonly<{
  /** Prefix of every writer identity and consumer group; two gateways on one Kafka need two names. */
  gateway: string
  /** Absolute path. */
  data: string
  companies: Readonly<Record<string, Company>>
  log: LogConfig
  /** Absolute folders, searched before the built-in `schemas/mappings`. */
  mappings: readonly string[]
  workersMax: number
  sources: Readonly<Record<string, SourceConfig>>
  people: Readonly<Record<string, Person>>
  roles: Readonly<Record<string, readonly RoleLine[]>>
  dingtalk: DingTalkConfig | null
  routes: Readonly<Record<string, RouteConfig>>
}>

export type Company = Readonly<{ name: string; currency: string; zone: string }>

export type LogConfig = Readonly<
  | { driver: 'embedded'; partitions: number; diskMaxBytes: number; keep: Keep }
  | { driver: 'memory'; partitions: number; keep: Keep }
  | KafkaLogConfig
>

export type KafkaLogConfig = Readonly<{
  driver: 'kafka'
  brokers: readonly KafkaAddress[]
  client: (typeof KAFKA_CLIENTS)[number]
  /** Before the names of topics, groups and writers. */
  prefix: string
  /** Of topics that are made, as is `replication`; null is the cluster's default. */
  partitions: number
  replication: number | null
  /** References to PEM texts; null is the system's own authorities, or no certificate of ours. */
  tls: Readonly<{ ca: string | null; cert: string | null; key: string | null }> | null
  /** `username` may be a reference, `password` is one. */
  sasl: Readonly<{ mechanism: (typeof SASL_MECHANISMS)[number]; username: string; password: string }> | null
  keep: Keep
}>

export type KafkaAddress = Readonly<{ host: string; port: number }>

/** The first is the default. */
export const KAFKA_CLIENTS = ['kafkajs', 'platformatic'] as const
export const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

/** Which days are worked, and when month-end closes. Holds what its table says, so that it needs no file. */
export type Calendar = Readonly<{
  name: string
  zone: string
  /** 0 is Sunday. */
  weekend: readonly number[]
  /** Null: weekends alone. */
  holidays: HolidayTable | null
  freeze: Freeze | null
}>

export type DayKind = 'holiday' | 'workday'

/** Days that are not what their weekday says. */
export type HolidayTable = Readonly<{
  /** The file that a person adds a year to; YYYY in it stands for the year. */
  source: string
  /** The years that it knows; of others it knows nothing, not even that there is no holiday. */
  years: readonly number[]
  /** By `YYYY-MM-DD`. */
  days: Readonly<Record<string, DayKind>>
}>

/** From near the end of each month to near the beginning of the next, in the calendar's zone. */
export type Freeze = Readonly<{ from: FreezeEdge; to: FreezeEdge }>

/** `workdays`: that many after (before, if negative) the last workday of a month, or the first of the next. */
export type FreezeEdge = Readonly<{ workdays: number; minute: number }>

/** A time of the day on some weekdays (0 is Sunday), in minutes; one that ends before it begins ends on the next day. */
export type DailyWindow = Readonly<{ days: readonly number[]; from: number; to: number }>

/** When a source is left alone. */
export type Closures = Readonly<{ calendar: Calendar | null; blackout: readonly DailyWindow[] }>

/** `every`: ms between the ends of polls. `at`: a cron line in the zone of the source. */
export type Schedule = Readonly<{ everyMs: number } | { at: string }>

export type SourceConfig = Readonly<{
  name: string
  kind: string
  /** Part of every event's identity. */
  system: string
  /** A code of `companies`, or `from-record`: the mapping reads it. */
  company: string
  zone: string
  /** Parsed by the adapter's own schema. */
  connection: unknown
  /** Absent: it may be read at any time. */
  closures?: Closures
  feeds: Readonly<Record<string, FeedConfig>>
}>

export type FeedConfig = Readonly<{
  name: string
  /** `<erp>/<entity>`, a file under a mappings folder. */
  mapping: string
  start: 'all' | 'now' | Readonly<{ since: string }>
  poll: Schedule
  /** When it is compared with the log; null: only when somebody asks. */
  sweep: Schedule | null
  fuse: Fuses
  /** The adapter's own settings of the feed, parsed by its schema. */
  adapter: unknown
}>

/** More than max(`atLeast`, `percent` of what is known) of a kind in one run blows the fuse. */
export type Fuse = Readonly<{ atLeast: number; percent: number }>

/** Null: no fuse for that kind. `rejected` is a rate of what was read. */
export type Fuses = Readonly<{
  deleted: Fuse | null
  changed: Fuse | null
  created: Fuse | null
  rejected: Fuse
}>

export type Person = Readonly<{
  /** DingTalk userId. */
  dingtalk: string
  language: string
  zone: string
  company: string | null
}>

/** The first line whose `of` fits the event wins. */
export type RoleLine = Readonly<{ of: Readonly<Record<string, string>>; people: readonly string[] }>

export type DingTalkConfig = Readonly<{
  /** Origins of the two API families; the emulator's in tests. */
  api: string
  oapi: string
  app: Readonly<{ clientId: string; clientSecret: string; robotCode: string }> | null
  groups: Readonly<Record<string, GroupConfig>>
}>

/** Secrets and conversation ids may be references. */
export type GroupConfig = Readonly<
  | { kind: 'webhook'; webhook: string; secret: string | null; language: string }
  | { kind: 'conversation'; conversation: string; language: string }
>

export type RouteConfig = Readonly<{
  name: string
  entity: string
  actions: readonly ('created' | 'changed' | 'deleted')[]
  /** Sources whose events count; null for all. */
  from: readonly string[] | null
  /** CEL over `data`, `changed` and `event`; null is always. */
  when: string | null
  to: readonly Destination[]
  as: 'message'
  template: string
  origins: readonly Origin[]
  /** Older events notify nobody. */
  maxAgeMs: number
}>

export type Destination = Readonly<
  { kind: 'role'; role: string } | { kind: 'person'; person: string } | { kind: 'group'; group: string }
>
