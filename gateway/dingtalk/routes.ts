import { createHash } from 'node:crypto'
import type { Config, RouteConfig } from '../config/model.ts'
import { ACTIONS, type Action, type Event } from '../event.ts'
import type { LogRecord } from '../log/port.ts'
import type { Directory, Recipient } from './directory.ts'
import { renderMessage } from './messages.ts'
import { type Notice, noticeId } from './notice.ts'
import type { Template, Templates } from './templates.ts'

/** What a condition says of an event. A condition that cannot be evaluated is no "no". */
export type Truth = Readonly<{ kind: 'value'; value: boolean } | { kind: 'failed'; reason: string }>

/** A compiled `when`: `changed` holds one true or false per top-level field of `data`. */
export type Condition = (event: Event, changed: Readonly<Record<string, boolean>>) => Truth

/** Compiles a `when` against the entity's schema; throws with the reason when it cannot. */
export type CompileCondition = (entity: string, text: string) => Condition

/** Says what to tell whom about an event. Pure but for the wall clock that it is given. */
export type Routes = Readonly<{
  /** Entities that any route speaks of. */
  entities: readonly string[]
  /** The notices of one record: planned ones, and failed or suppressed ones that say why. */
  notices(record: LogRecord, wall: number): readonly Notice[]
}>

export function createRoutes(
  options: Readonly<{
    config: Config
    templates: Templates
    directory: Directory
    compileCondition: CompileCondition
  }>,
): Routes {
  const { config, templates, directory, compileCondition } = options
  const compiled = Object.values(config.routes).map((route) => ({
    route,
    when: route.when === null ? null : compileCondition(route.entity, route.when),
    template: templateOf(templates, route),
    systems: route.from === null ? null : systemsOf(config, route.from),
  }))
  const words = templates.words
  return {
    entities: [...new Set(compiled.map(({ route }) => route.entity))].sort(),
    notices(record, wall) {
      if (record.value === null) return []
      const about = read(record.value, config)
      if (about === null) return [unreadable(record, wall)]
      const candidates = compiled.filter(({ route, systems }) => concerns(route, systems, about))
      return candidates.flatMap(({ route, when, template }) => {
        const plan = { route, template, words, about, record, wall }
        const age = ageOf(about.event, route, record, wall)
        if (age === 'too-old') return []
        const truth = evaluate(when, about)
        if (truth.kind === 'value' && !truth.value) return []
        const recipients = directory.recipients(route.to, { company: about.company, data: about.event.data })
        return recipients.map((recipient) => {
          if (truth.kind === 'failed')
            return ended(plan, recipient, 'failed', `Its condition failed: ${truth.reason}`)
          if (age === 'no-time') return ended(plan, recipient, 'failed', `The event's time cannot be read`)
          if (age === 'waited-too-long') {
            return ended(
              plan,
              recipient,
              'suppressed',
              'The event had grown too old when the publisher came to it',
            )
          }
          if (recipient.target.kind === 'none')
            return ended(plan, recipient, 'failed', recipient.target.reason)
          return planned(plan, recipient)
        })
      })
    },
  }
}

type About = Readonly<{
  event: Event
  entity: string
  action: Action
  system: string
  company: string
  name: string
}>

type Plan = Readonly<{
  route: RouteConfig
  template: Template
  words: Templates['words']
  about: About
  record: LogRecord
  wall: number
}>

function templateOf(templates: Templates, route: RouteConfig): Template {
  const template = templates.named.get(route.template)
  if (template !== undefined) return template
  const known = [...templates.named.keys()].sort().join(', ')
  throw new Error(`routes.${route.name}.template: there is no "${route.template}"; there are ${known}`)
}

/** `<system>/<company>` of each source that counts; `<system>/` where its records name the company. */
function systemsOf(config: Config, from: readonly string[]): readonly string[] {
  return from.flatMap((name) => {
    const source = config.sources[name]
    if (source === undefined) return []
    return [`${source.system}/${source.company === 'from-record' ? '' : source.company}`]
  })
}

function concerns(route: RouteConfig, systems: readonly string[] | null, about: About): boolean {
  if (route.entity !== about.entity) return false
  if (!route.actions.includes(about.action)) return false
  if (!route.origins.includes(about.event.origin)) return false
  return systems === null || systems.some((system) => matches(system, about))
}

function matches(system: string, about: About): boolean {
  return system.endsWith('/') ? system === `${about.system}/` : system === `${about.system}/${about.company}`
}

/**
 * Routes do not see events that were already too old when the log took them. An event that grew too old while it
 * waited for the publisher is another matter: somebody would have been told, so its notice shows as suppressed.
 */
function ageOf(
  event: Event,
  route: RouteConfig,
  record: LogRecord,
  wall: number,
): 'young' | 'too-old' | 'waited-too-long' | 'no-time' {
  const time = Date.parse(event.time)
  if (Number.isNaN(time)) return 'no-time'
  if (wall - time <= route.maxAgeMs) return 'young'
  return record.time - time > route.maxAgeMs ? 'too-old' : 'waited-too-long'
}

function evaluate(when: Condition | null, about: About): Truth {
  if (when === null) return { kind: 'value', value: true }
  return when(about.event, changedOf(about))
}

function changedOf(about: About): Readonly<Record<string, boolean>> {
  const fields = Object.keys(about.event.data)
  if (about.action !== 'changed') return Object.fromEntries(fields.map((field) => [field, true]))
  const names = new Set((about.event.changedfields ?? '').split(',').filter((name) => name !== ''))
  // A field that the change removed is not in `data` any more, and still changed.
  return Object.fromEntries([...new Set([...fields, ...names])].map((field) => [field, names.has(field)]))
}

function planned(plan: Plan, recipient: Recipient): Notice {
  const { template, words, about } = plan
  const company = { code: about.company, name: about.name }
  const rendered = renderMessage(
    template,
    words,
    { event: about.event, action: about.action, company },
    recipient,
  )
  return {
    ...skeleton(plan, recipient),
    state: 'planned',
    channel: recipient.target.kind,
    lacks: rendered.missing,
    message: rendered.message,
    parcel: parcelId(plan, recipient),
  }
}

function ended(plan: Plan, recipient: Recipient, state: 'failed' | 'suppressed', reason: string): Notice {
  return { ...skeleton(plan, recipient), state, reason: reason.slice(0, REASON_CHARACTERS_MAX) }
}

const REASON_CHARACTERS_MAX = 1_000

function skeleton(plan: Plan, recipient: Recipient): Notice {
  const { route, about, record, wall } = plan
  const { id, type, source, subject, origin, time } = about.event
  return {
    id: noticeId(id, route.name, recipient.destination),
    state: 'planned',
    attempt: 0,
    at: wall,
    route: route.name,
    event: { id, type, key: `${source.slice('/erp/'.length)}/${subject}`, origin, time },
    destination: recipient.destination,
    channel: 'none',
    parcel: '',
    input: { topic: record.topic, partition: record.partition, offset: record.offset },
    language: recipient.language,
    until: null,
    sender: null,
    isUnsure: false,
    reason: null,
    reference: null,
    lacks: [],
    message: null,
  }
}

/** Persons who read the same text of the same event share one call; a group is always alone. */
function parcelId(plan: Plan, recipient: Recipient): string {
  const shared =
    recipient.target.kind === 'app-person' ? `${recipient.language} ${recipient.zone}` : recipient.destination
  return createHash('sha256')
    .update(JSON.stringify([plan.about.event.id, plan.route.name, recipient.target.kind, shared]))
    .digest('hex')
    .slice(0, 32)
}

function unreadable(record: LogRecord, wall: number): Notice {
  const where = `${record.topic}/${record.partition}/${record.offset}`
  return {
    id: noticeId(where, '-', '-'),
    state: 'failed',
    attempt: 0,
    at: wall,
    route: '-',
    event: { id: '-', type: '-', key: record.key ?? '-', origin: null, time: null },
    destination: '-',
    channel: 'none',
    parcel: '',
    input: { topic: record.topic, partition: record.partition, offset: record.offset },
    language: null,
    until: null,
    sender: null,
    isUnsure: false,
    reason: `The record at ${where} is no event that the publisher understands; look at it with \`erpgw events\``,
    reference: null,
    lacks: [],
    message: null,
  }
}

function read(value: Uint8Array, config: Config): About | null {
  const event = parse(value)
  if (event === null) return null
  const [, entity = '', verb, version, ...rest] = event.type.split('.')
  const action = ACTIONS.find((known) => known === verb)
  const [root, erp, system = '', company = '', ...deeper] = event.source.split('/')
  if (action === undefined || version !== 'v1' || rest.length > 0) return null
  if (root !== '' || erp !== 'erp' || deeper.length > 0 || company === '') return null
  return { event, entity, action, system, company, name: config.companies[company]?.name ?? company }
}

/** The lane validated the event before the log took it; here only what the publisher reads is looked at. */
function parse(value: Uint8Array): Event | null {
  try {
    const event = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value)) as Partial<Event> | null
    const { id, type, source, subject, time, origin, data } = event ?? {}
    const isWhole =
      [id, type, source, subject, time, origin].every((text) => typeof text === 'string') &&
      typeof data === 'object' &&
      data !== null
    return isWhole ? (event as Event) : null
  } catch {
    return null
  }
}
