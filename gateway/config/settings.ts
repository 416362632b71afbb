import { Cron } from 'croner'
import { z } from 'zod'
import { duration, percent, text, zone } from '../../adapters/shared/settings.ts'
import { ACTIONS, type Action } from '../event.ts'
import { suggestion } from '../mapping/mistake.ts'
import type {
  DailyWindow,
  Destination,
  FreezeEdge,
  Fuse,
  GroupConfig,
  RouteConfig,
  Schedule,
} from './model.ts'

/** Building blocks of the gateway's own settings, where those that adapters share are not enough. */

/** A company's code as the ERP has it: part of record keys and of an event's `source`, so no `/` and no spaces. */
export function companyCode(): z.ZodString {
  return text()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
      error: 'must be a code of letters, digits, dots, hyphens and underscores, like 1000',
    })
    .max(40, { error: 'must have at most 40 characters' })
}

/** ISO 4217, by its shape: three capital letters. */
export function currency(): z.ZodString {
  return z
    .string({ error: 'must be a currency code like CNY' })
    .regex(/^[A-Z]{3}$/, { error: 'must be a currency code of three capital letters, like CNY' })
}

/** A text that is no secret, or a reference to it: identifiers that come from the same place as a secret does. */
export function textOrReference(): z.ZodString {
  return text().meta({ reference: true })
}

/** An IANA zone; a slip is answered with the nearest one. */
export function zoneName(): z.ZodType<string, string> {
  const known = zone()
  return z.string({ error: 'must be a time zone like Asia/Shanghai' }).transform((written, context) => {
    if (known.safeParse(written).success) return written
    const near = suggestion(written, Intl.supportedValuesOf('timeZone'))
    return refuse(context, `must be a time zone like Asia/Shanghai${near}`)
  })
}

/** `<erp>/<entity>`: a file under a mappings folder, never outside of it. */
export function mappingName(): z.ZodString {
  return z
    .string({ error: 'must be the name of a mapping, like k3-wise/payment' })
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*(\/[a-z0-9]+(-[a-z0-9]+)*)+$/, {
      error: 'must be the name of a mapping in kebab-case, like k3-wise/payment, without .yaml',
    })
}

/** The scheme and authority of a web address. Not encrypted only on this machine, which is what an emulator needs. */
export function origin(): z.ZodType<string, string> {
  const wanted = 'must be an origin like https://api.example.com, with nothing behind it'
  return z.string({ error: wanted }).transform((written, context) => {
    const url = URL.parse(written)
    if (url === null || url.origin !== written) return refuse(context, wanted)
    const isLocal = url.protocol === 'http:' && isThisMachine(url.hostname)
    if (url.protocol === 'https:' || isLocal) return written
    return refuse(context, 'must begin with https://; http:// is for this machine alone')
  })
}

/** Whether what is sent to a host leaves this machine by no network. */
export function isThisMachine(host: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]', '::1'].includes(host)
}

/** `{ every: 30s }` or `{ at: "0 2 * * *" }`. */
export function schedule() {
  return exactlyOne(
    z.strictObject({
      every: duration({ minMs: 100, maxMs: 31 * 86_400_000 })
        .optional()
        .describe('Pause between the end of a poll and the next one.'),
      at: cron().optional().describe('Cron line of five fields, in the zone of the source.'),
    }),
    ['every', 'at'],
  ).transform(
    (written): Schedule =>
      written.every === undefined ? { at: written.at ?? '' } : { everyMs: written.every },
  )
}

/** `never`, or a schedule. */
export function sweepSchedule() {
  return z.union([z.literal('never').transform((): Schedule | null => null), schedule()], {
    error: 'must be never, { every: 24h } or { at: "30 2 * * *" }',
  })
}

function cron(): z.ZodType<string, string> {
  return z
    .string({ error: 'must be a cron line in quotes, like "0 2 * * *"' })
    .transform((written, context) => {
      try {
        const next = new Cron(written, { mode: '5-part', paused: true }).nextRun(new Date(0))
        return next === null ? refuse(context, 'must be a time that comes; this one never does') : written
      } catch {
        return refuse(
          context,
          `must be a cron line of five fields (minute hour day month weekday), like "0 2 * * *", not "${written}"`,
        )
      }
    })
    .meta({ examples: ['0 2 * * *'] })
}

const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
type Weekday = (typeof WEEKDAYS)[number]

/** `[sat, sun]`. */
export function weekend() {
  return z
    .array(z.enum(WEEKDAYS))
    .max(6, { error: 'must leave a day to work' })
    .transform((days) => days.map((day) => WEEKDAYS.indexOf(day)))
}

/** `{ from: "last-workday 18:00", to: "first-workday 12:00" }`, each moved by whole workdays: `last-workday-1 18:00`. */
export function freeze() {
  return z.strictObject({
    from: freezeEdge('last-workday').describe('When it begins, near the end of each month.'),
    to: freezeEdge('first-workday').describe('When it ends, near the beginning of the next month.'),
  })
}

function freezeEdge(day: 'last-workday' | 'first-workday') {
  const wanted = `must be like "${day} 18:00", or "${day}-1 18:00" a workday before it`
  return z
    .string({ error: wanted })
    .transform((written, context): FreezeEdge => {
      const match = /^((?:last|first)-workday)([+-][1-9])? (\d\d:\d\d)$/.exec(written)
      const minute = minuteOf(match?.[3] ?? '')
      if (match?.[1] !== day || minute === null) return refuse(context, `${wanted}, not "${written}"`)
      return { workdays: Number(match[2] ?? 0), minute }
    })
    .meta({ pattern: `^${day}([+-][1-9])? [0-2][0-9]:[0-5][0-9]$`, examples: [`${day} 18:00`] })
}

/** `["22:00-06:00", "mon-fri 08:30-09:30", "sun 00:00-24:00"]`; some minute of the week must be left. */
export function blackout() {
  return z
    .array(dailyWindow())
    .min(1)
    .max(50)
    .check(({ value, issues }) => {
      const minutes = new Set(value.flatMap(minutesOfWeek))
      if (minutes.size < 7 * DAY_MINUTES) return
      issues.push({ code: 'custom', input: value, message: 'must leave some time of the week to read in' })
    })
}

function dailyWindow() {
  const wanted = 'must be like 22:00-06:00, or mon-fri 08:30-09:30'
  const day = WEEKDAYS.join('|')
  return z
    .string({ error: wanted })
    .transform((written, context): DailyWindow => {
      const pattern = new RegExp(`^(?:(${day})(?:-(${day}))? )?(\\d\\d:\\d\\d)-(\\d\\d:\\d\\d)$`)
      const [whole, first, last = first, begins = '', ends = ''] = pattern.exec(written) ?? []
      const [firstDay, lastDay] = [first, last].map((name) => WEEKDAYS.find((known) => known === name))
      const [from, to] = [minuteOf(begins), minuteOf(ends)]
      if (whole === undefined || from === null || to === null)
        return refuse(context, `${wanted}, not "${written}"`)
      if (from === to || from === DAY_MINUTES)
        return refuse(context, `must have a beginning before its end; all day is 00:00-24:00`)
      return { days: daysBetween(firstDay, lastDay), from, to }
    })
    .meta({
      pattern: `^((${day})(-(${day}))? )?[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$`,
      examples: ['22:00-06:00', 'mon-fri 08:30-09:30'],
    })
}

const DAY_MINUTES = 1_440

/** Of `HH:MM`; 24:00 is the end of a day. */
function minuteOf(time: string): number | null {
  const [hour = Number.NaN, minute = Number.NaN] = time.split(':').map(Number)
  const at = hour * 60 + minute
  return minute < 60 && at <= DAY_MINUTES ? at : null
}

/** From one weekday to another, over the weekend where the second comes before the first; every day where none is given. */
function daysBetween(first: Weekday | undefined, last: Weekday | undefined): readonly number[] {
  if (first === undefined || last === undefined) return [0, 1, 2, 3, 4, 5, 6]
  const [from, to] = [WEEKDAYS.indexOf(first), WEEKDAYS.indexOf(last)]
  return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, index) => (from + index) % 7)
}

function minutesOfWeek({ days, from, to }: DailyWindow): readonly number[] {
  const length = (to - from + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES
  return days.flatMap((day) =>
    Array.from({ length }, (_, index) => (day * DAY_MINUTES + from + index) % (7 * DAY_MINUTES)),
  )
}

/** `all`, `now`, or `since <value>` of the feed's first cursor column. */
export function start() {
  return z
    .string({ error: 'must be all, now or since <value>' })
    .transform((written, context): 'all' | 'now' | Readonly<{ since: string }> => {
      if (written === 'all' || written === 'now') return written
      const since = /^since +(\S.*)$/.exec(written)?.[1]?.trim()
      if (since !== undefined) return { since }
      return refuse(context, `must be all, now or since <value>, not "${written}"`)
    })
    .meta({ pattern: '^(all|now|since +\\S.*)$', examples: ['all', 'now', 'since 2026-01-01'] })
}

/** With a percentage alone, so few records never blow a fuse: of 20 rows, one is already 5 %. */
const AT_LEAST: Readonly<Record<Action | 'rejected', number>> = {
  created: 10,
  changed: 10,
  deleted: 10,
  rejected: 5,
}

/** `5%`, `200`, `off`, or both bounds as `{ atLeast: 50, percent: 5% }`. */
function fuse(kind: Action | 'rejected') {
  const few = AT_LEAST[kind]
  const wanted =
    'must be a percentage like 5%, a number of records, off, or { atLeast: 50, percent: 5% } for the greater of both'
  const short = z
    .string()
    .transform((written, context): Fuse | null => {
      if (written === 'off') return null
      if (/^[0-9]{1,9}$/.test(written)) return { atLeast: Number(written), percent: 0 }
      const share = percent().safeParse(written)
      return share.success ? { atLeast: few, percent: share.data } : refuse(context, wanted)
    })
    .meta({ pattern: '^(off|[0-9]{1,9}|[0-9]{1,3}(\\.[0-9]{1,3})?%)$', examples: ['5%', '200', 'off'] })
  const both = z.strictObject({
    atLeast: z
      .string()
      .regex(/^[0-9]{1,9}$/, { error: 'must be a number of records' })
      .transform(Number)
      .meta({ type: 'integer', minimum: 0, maximum: 999_999_999 })
      .describe('So many never blow the fuse.'),
    percent: percent().describe('Nor does this share of what is known.'),
  })
  return z.union([short, both], { error: wanted })
}

/** More than a fuse lets through in one run stops the feed until a person decides. */
export function fuses() {
  const rejected = fuse('rejected').transform(
    (written, context) =>
      written ?? refuse(context, 'cannot be off: a feed that understands nothing must stop'),
  )
  const few = (kind: Action | 'rejected') => `A percentage alone lets at least ${AT_LEAST[kind]} through.`
  const [created, changed, deleted] = ACTIONS
  return z.strictObject({
    deleted: fuse(deleted)
      .prefault('5%')
      .describe(`Records gone, of those known. ${few(deleted)}`),
    changed: fuse(changed)
      .prefault('off')
      .describe(`Records changed, of those known. ${few(changed)}`),
    created: fuse(created)
      .prefault('off')
      .describe(`New records, of those known. ${few(created)}`),
    rejected: rejected
      .prefault('1%')
      .describe(`Records that could not be understood, of those read. ${few('rejected')}`),
  })
}

/** `{ role: … }`, `{ person: … }` or `{ group: … }`. */
export function destination() {
  return exactlyOne(
    z.strictObject({
      role: text().optional().describe('A role: whoever its first fitting line names.'),
      person: text().optional().describe('A person, by the name under `people`.'),
      group: text().optional().describe('A group, by the name under `dingtalk.groups`.'),
    }),
    ['role', 'person', 'group'],
  ).transform(({ role, person, group = '' }): Destination => {
    if (role !== undefined) return { kind: 'role', role }
    return person === undefined ? { kind: 'group', group } : { kind: 'person', person }
  })
}

/** A DingTalk group: the webhook of a group robot, or a conversation that the app's robot is in. */
export function group(language: z.ZodType<string, string | undefined>, webhook: z.ZodType<string, string>) {
  return exactlyOne(
    z.strictObject({
      webhook: webhook
        .optional()
        .describe('Address of a group robot, as a reference: its token is a secret.'),
      secret: webhook.optional().describe('Signing secret of the group robot (SEC…), as a reference.'),
      conversation: textOrReference()
        .optional()
        .describe('openConversationId (cid…) or a reference to it; the app robot must be in the group.'),
      language,
    }),
    ['webhook', 'conversation'],
  )
    .check(({ value, issues }) => {
      if (value.secret === undefined || value.webhook !== undefined) return
      issues.push({
        code: 'custom',
        input: value,
        path: ['secret'],
        message: 'belongs to a webhook; there is none',
      })
    })
    .transform(
      ({ webhook, secret = null, conversation = '', language }): GroupConfig =>
        webhook === undefined
          ? { kind: 'conversation', conversation, language }
          : { kind: 'webhook', webhook, secret, language },
    )
}

/** `payment` for created and changed, `payment.deleted`, `payment.created`, `payment.changed` for one of them. */
export function entityActions() {
  return z
    .string({ error: 'must be an entity, like payment or payment.deleted' })
    .transform((written, context): Pick<RouteConfig, 'entity' | 'actions'> => {
      const [entity = '', action, ...more] = written.split('.')
      const chosen = ACTIONS.find((known) => known === action)
      if (more.length === 0 && action === undefined) return { entity, actions: ['created', 'changed'] }
      if (more.length === 0 && chosen !== undefined) return { entity, actions: [chosen] }
      return refuse(
        context,
        `must be an entity alone or with ${ACTIONS.join(', ')} behind a dot, not "${written}"`,
      )
    })
    .meta({ pattern: '^[a-z0-9-]+(\\.(created|changed|deleted))?$' })
}

/** Refuses an object that does not have exactly one of these keys, which all are optional by type. */
function exactlyOne<Shape extends z.ZodObject>(shape: Shape, keys: readonly string[]): Shape {
  return shape
    .check(({ value, issues }) => {
      const given = keys.filter((key) => Object.hasOwn(value, key))
      if (given.length === 1) return
      const but = given.length === 0 ? 'none is there' : `not ${given.join(' and ')} together`
      issues.push({ code: 'custom', input: value, message: `must have one of ${keys.join(', ')}; ${but}` })
    })
    .meta({ oneOf: keys.map((key) => ({ required: [key] })) })
}

/** Refuses what a transformation was given. */
export function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: 'custom', message })
  return z.NEVER
}
