import { z } from 'zod'
import type { AnyAdapter } from '../../adapters/registry.ts'
import { duration, integer, name, secretReference, text } from '../../adapters/shared/settings.ts'
import { LANGUAGES } from '../dingtalk/figures.ts'
import { ORIGINS } from '../event.ts'
import { logSettings } from './log-settings.ts'
import {
  blackout,
  companyCode,
  currency,
  destination,
  entityActions,
  freeze,
  fuses,
  group,
  mappingName,
  origin,
  schedule,
  start,
  sweepSchedule,
  textOrReference,
  weekend,
  zoneName,
} from './settings.ts'

/** What of an adapter the config needs. Tests bring their own. */
export type ConfigAdapter = Pick<
  AnyAdapter,
  'kind' | 'summary' | 'connection' | 'feed' | 'feedFaults' | 'traits' | 'hosts'
>

/** The origins of DingTalk's two API families. */
export const DINGTALK_ORIGINS = {
  api: 'https://api.dingtalk.com',
  oapi: 'https://oapi.dingtalk.com',
} as const

/**
 * The whole file. Defaults are written as in the file (`prefault`), so that `explain` and the JSON Schema show what a
 * person would write. Sources are a union by `kind`, one member for each adapter.
 */
export function configSchema(adapters: readonly ConfigAdapter[]) {
  const source = z.discriminatedUnion('kind', sourceSchemas(adapters))
  return z.strictObject({ ...HOUSE, sources: named(source, 'source').describe(SOURCES) })
}

/** A source whose kind is not known: what belongs to the gateway is checked all the same. */
export function foreignSourceSchema() {
  return z.strictObject({
    kind: z.unknown().optional(),
    ...sourceKeys(z.unknown(), z.looseObject(FEED_KEYS)),
  })
}

/** A feed's keys that are the gateway's; the rest is its adapter's. */
export type FeedInput = z.output<z.ZodObject<typeof FEED_KEYS>> & Readonly<Record<string, unknown>>
export type SourceInput = Readonly<{ kind: string }> &
  Omit<z.output<ReturnType<typeof foreignSourceSchema>>, 'feeds'> &
  Readonly<{ feeds: Readonly<Record<string, FeedInput>> }>
export type ConfigInput = z.output<z.ZodObject<typeof HOUSE>> &
  Readonly<{ sources: Readonly<Record<string, SourceInput>> }>

const SOURCES = 'The systems that are read. The name of a source is an identity: renaming it starts it anew.'

// ─── sources and feeds ──────────────────────────────────────────────────────────────────────────

/** What every feed has besides its adapter's own settings. */
export const FEED_KEYS = {
  mapping: mappingName().describe('The mapping that turns its records into events.'),
  start: start()
    .prefault('all')
    .describe('What of the past is published: all, nothing (now), or from a value of the cursor on.'),
  poll: schedule().optional().describe('When it is read; else as the source says, else every 30s.'),
  sweep: sweepSchedule()
    .prefault({ every: '24h' })
    .describe('When it is compared with the log and what differs is mended; never: only when asked for.'),
  fuse: fuses().prefault({}).describe('How much may happen in one run before a person is asked.'),
}

function sourceKeys<Connection extends z.ZodType, Feed extends z.ZodType>(
  connection: Connection,
  feed: Feed,
) {
  return {
    system: name().describe('Name of the ERP; part of the identity of its events.'),
    company: companyCode().describe(
      'A code of companies, or from-record where the mapping reads it from each record.',
    ),
    zone: zoneName()
      .optional()
      .describe('What a date-time without zone means here; else that of the company.'),
    connection: connection.describe('How it is reached.'),
    poll: schedule().optional().describe('When its feeds are read, unless they say otherwise.'),
    calendar: name()
      .optional()
      .describe('A calendar of calendars: nothing is read while its month-end freezes.'),
    blackout: blackout()
      .optional()
      .describe('Times of the day in which nothing is read, in the zone of the source.'),
    feeds: named(feed, 'feed').describe(
      'What is read, each with a cursor of its own. The name is an identity.',
    ),
  }
}

function sourceSchemas(adapters: readonly ConfigAdapter[]) {
  const [first, ...others] = adapters.map(sourceSchema)
  if (first === undefined) throw new Error('A gateway without any adapter can have no config.')
  return [first, ...others] as const
}

function sourceSchema(adapter: ConfigAdapter) {
  const taken = Object.keys(FEED_KEYS).filter((key) => Object.hasOwn(adapter.feed.shape, key))
  if (taken.length > 0) {
    throw new Error(`The adapter ${adapter.kind} uses feed settings of the gateway: ${taken.join(', ')}.`)
  }
  // `safeExtend` keeps the checks that an adapter put on its feed as a whole.
  const feed = adapter.feed.safeExtend(FEED_KEYS)
  return z
    .strictObject({
      kind: z.literal(adapter.kind).describe(adapter.summary),
      ...sourceKeys(adapter.connection, feed),
    })
    .describe(adapter.summary)
}

/** A group of things by name; empty groups are allowed, an unnamed thing is not. */
function named<Of extends z.ZodType>(of: Of, what: string) {
  return z.record(name(), of).meta({ title: `Each ${what} by its name` })
}

// ─── the rest of the file ───────────────────────────────────────────────────────────────────────

const language = z.enum(LANGUAGES).prefault('en').describe('Language of the messages.')

const dingtalk = z
  .strictObject({
    region: z
      .enum(['china', 'custom'])
      .prefault('china')
      .describe('china: dingtalk.com. custom: the origins given as api and oapi, an emulator for tests.'),
    api: origin().optional().describe('Origin of the new API; only with region custom.'),
    oapi: origin()
      .optional()
      .describe('Origin of the old API and of robot webhooks; only with region custom.'),
    app: z
      .strictObject({
        clientId: textOrReference().describe('Client id (AppKey), or a reference to it.'),
        clientSecret: secretReference().describe('Reference to the client secret (AppSecret).'),
        robotCode: textOrReference().describe('Code of the app robot, or a reference to it.'),
      })
      .optional()
      .describe('The internal app. Messages to persons and conversations need it.'),
    groups: named(group(language, secretReference()), 'group').prefault({}).describe('Group chats by name.'),
  })
  .check(({ value, issues }) => {
    for (const key of ['api', 'oapi'] as const) {
      const fault = originFault(value.region, value[key])
      if (fault !== null) issues.push({ code: 'custom', input: value, path: [key], message: fault })
    }
  })

function originFault(region: 'china' | 'custom', given: string | undefined): string | null {
  if (region === 'custom') return given === undefined ? 'is missing; region custom needs both origins' : null
  return given === undefined ? null : 'needs region: custom beside it'
}

const route = z.strictObject({
  on: entityActions().describe(
    'An entity: created and changed. With .deleted, .created or .changed: that alone.',
  ),
  from: z.array(text()).min(1).optional().describe('Sources whose events count; else all.'),
  when: text().optional().describe('Condition in CEL over data, changed and event; else always.'),
  to: z.array(destination()).min(1).describe('Who is told.'),
  as: z.literal('message').prefault('message').describe('In which form.'),
  template: name().describe('The text of the message.'),
  origins: z
    .array(z.enum(ORIGINS))
    .min(1)
    .prefault(['live', 'sweep'])
    .describe('Why an event came. A first load, a replay or a remap tells nobody unless asked for here.'),
  maxAge: duration({ minMs: 60_000 }).prefault('24h').describe('Older events tell nobody.'),
})

const roleLine = z.strictObject({
  of: z
    .record(text(), text())
    .prefault({})
    .describe('Fields of the event and the codes that they must have: { company: 1000, plant: 1010 }.'),
  people: z.array(text()).min(1).describe('Persons, by their names under people.'),
})

/** A calendar as it is written. */
export const calendarSchema = z.strictObject({
  extends: name().optional().describe('Another calendar, whose settings hold where this one says nothing.'),
  weekend: weekend().optional().describe('Weekdays that are not worked; else sat and sun.'),
  holidays: text()
    .optional()
    .describe(
      'A table of the box (CN with its working weekends, HK, HK-statutory, VN, TW), or a file of date,kind,name, relative to this file. Absent: weekends alone.',
    ),
  zone: zoneName().optional().describe('Where its days begin.'),
  freeze: freeze().optional().describe('Month-end, when sources with this calendar are not read.'),
})

export type CalendarInput = z.output<typeof calendarSchema>

const HOUSE = {
  gateway: name().prefault('erpgw').describe('Name of this gateway. Two on one Kafka need two names.'),
  companies: z
    .record(
      companyCode(),
      z.strictObject({
        name: text().describe('As people write it.'),
        currency: currency().describe('ISO 4217.'),
        zone: zoneName().describe('IANA time zone of the company.'),
      }),
    )
    .prefault({})
    .describe('Each company by its code in the ERP, which is part of the identity of every event.'),
  data: text().prefault('./data').describe('Folder of the log and the projections; relative to this file.'),
  log: logSettings().prefault({}).describe('Where events are kept.'),
  mappings: z
    .array(text())
    .prefault([])
    .describe('Folders that are searched before the built-in mappings; relative to this file.'),
  workersMax: integer({ min: 1, max: 256 })
    .prefault('16')
    .describe('Threads for sources; beyond it, sources share one.'),
  calendars: named(calendarSchema, 'calendar')
    .prefault({})
    .describe('Which days are worked, by the name that sources give.'),
  people: named(
    z.strictObject({
      dingtalk: text().describe('userId in DingTalk.'),
      language,
      zone: zoneName().optional().describe('Time zone of the person; else that of the company.'),
      company: companyCode().optional().describe('Company of the person.'),
    }),
    'person',
  )
    .prefault({})
    .describe('Who may be told.'),
  roles: named(z.array(roleLine).min(1), 'role')
    .prefault({})
    .describe('Who does what. The first line whose `of` fits the event wins.'),
  dingtalk: dingtalk.optional().describe('Where messages go.'),
  routes: named(route, 'route').prefault({}).describe('Who is told of what.'),
}
