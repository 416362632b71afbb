import type { Json } from '../../adapters/contract.ts'
import type { Config, Destination, RoleLine } from '../config/model.ts'
import type { EventData } from '../event.ts'
import type { Secrets } from '../ports.ts'
import type { App } from './client.ts'
import { LANGUAGES, type Language } from './figures.ts'

/** Where a notice goes, ready to be called; or why it can go nowhere. */
export type Target = Readonly<
  | { kind: 'app-person'; userId: string }
  | { kind: 'app-group'; conversation: string }
  | { kind: 'webhook'; token: string; secret: string | null }
  | { kind: 'none'; reason: string }
>

/** A destination of one notice, by its lasting name, and how its reader reads. */
export type Recipient = Readonly<{ destination: string; language: Language; zone: string; target: Target }>

/** Turns the destinations of a route into recipients. Nobody is ever left out: who cannot be reached has a reason. */
export type Directory = Readonly<{
  recipients(
    to: readonly Destination[],
    about: Readonly<{ company: string; data: EventData }>,
  ): readonly Recipient[]
  /** The way to a destination that an earlier run of the gateway named. */
  target(destination: string): Target
  app: App | null
}>

export function createDirectory(config: Config, secrets: Secrets): Directory {
  const person = (name: string, company: string): Recipient => {
    const known = config.people[name]
    return {
      destination: `person:${name}`,
      language: languageOf(known?.language),
      zone: known?.zone ?? config.companies[company]?.zone ?? 'UTC',
      target: personTarget(config, name),
    }
  }
  const group = (name: string, company: string): Recipient => ({
    destination: `group:${name}`,
    language: languageOf(config.dingtalk?.groups[name]?.language),
    zone: config.companies[company]?.zone ?? 'UTC',
    target: groupTarget(config, secrets, name),
  })
  const named = (destination: Destination, company: string, data: EventData): readonly Recipient[] => {
    switch (destination.kind) {
      case 'person':
        return [person(destination.person, company)]
      case 'group':
        return [group(destination.group, company)]
      case 'role': {
        const line = config.roles[destination.role]?.find((candidate) => fits(candidate, company, data))
        return line === undefined || line.people.length === 0
          ? [nobody(destination.role, company, config)]
          : line.people.map((name) => person(name, company))
      }
    }
  }
  return {
    app: resolveApp(config, secrets),
    recipients(to, { company, data }) {
      const found = to.flatMap((destination) => named(destination, company, data))
      // Who is named twice, by name and by role, is told once.
      return [...new Map(found.map((recipient) => [recipient.destination, recipient])).values()]
    },
    target(destination) {
      const at = destination.indexOf(':')
      const name = destination.slice(at + 1)
      switch (destination.slice(0, at)) {
        case 'person':
          return personTarget(config, name)
        case 'group':
          return groupTarget(config, secrets, name)
        default:
          return { kind: 'none', reason: `"${destination}" names nobody` }
      }
    },
  }
}

function languageOf(language: string | undefined): Language {
  return LANGUAGES.find((known) => known === language) ?? 'en'
}

function nobody(role: string, company: string, config: Config): Recipient {
  return {
    destination: `role:${role}`,
    language: 'en',
    zone: config.companies[company]?.zone ?? 'UTC',
    target: {
      kind: 'none',
      reason: `Nobody of company ${company} holds the role "${role}"; add a line to roles.${role}`,
    },
  }
}

/** `company` is the event's; any other name is a field of its data, by its code or, without one, its text. */
function fits(line: RoleLine, company: string, data: EventData): boolean {
  return Object.entries(line.of).every(([field, wanted]) =>
    field === 'company' ? wanted === company : wanted === codeOf(data[field]),
  )
}

function codeOf(value: Json | undefined): string | null {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const { code } = value as Readonly<Record<string, Json>>
  return typeof code === 'string' ? code : null
}

function personTarget(config: Config, name: string): Target {
  const person = config.people[name]
  if (person === undefined) return { kind: 'none', reason: `There is no person "${name}" in people` }
  return { kind: 'app-person', userId: person.dingtalk }
}

function groupTarget(config: Config, secrets: Secrets, name: string): Target {
  const group = config.dingtalk?.groups[name]
  if (config.dingtalk === null || group === undefined) {
    return { kind: 'none', reason: `There is no group "${name}" in dingtalk.groups` }
  }
  const none = (field: string, what: string): Target => ({
    kind: 'none',
    reason: `dingtalk.groups.${name}.${field} ${what}`,
  })
  if (group.kind === 'conversation') {
    const conversation = resolve(group.conversation, secrets)
    return conversation === null
      ? none('conversation', `refers to ${group.conversation}, which is not there`)
      : { kind: 'app-group', conversation }
  }
  const webhook = resolve(group.webhook, secrets)
  if (webhook === null) return none('webhook', `refers to ${group.webhook}, which is not there`)
  const token = webhookToken(webhook, config.dingtalk.oapi)
  if (token === null) return none('webhook', `is no robot address under ${config.dingtalk.oapi}`)
  const secret = group.secret === null ? null : resolve(group.secret, secrets)
  if (group.secret !== null && secret === null)
    return none('secret', `refers to ${group.secret}, which is not there`)
  return { kind: 'webhook', token, secret }
}

/** The robot's token out of its address. Another host than DingTalk's is refused: messages go nowhere else. */
function webhookToken(webhook: string, oapi: string): string | null {
  if (!URL.canParse(webhook)) return null
  const url = new URL(webhook)
  if (url.origin !== new URL(oapi).origin || url.pathname !== '/robot/send') return null
  return url.searchParams.get('access_token')
}

function resolveApp(config: Config, secrets: Secrets): App | null {
  const app = config.dingtalk?.app ?? null
  if (app === null) return null
  const [clientId, clientSecret, robotCode] = [app.clientId, app.clientSecret, app.robotCode].map((value) =>
    resolve(value, secrets),
  )
  if (!clientId || !clientSecret || !robotCode) return null
  return { clientId, clientSecret, robotCode }
}

function resolve(value: string, secrets: Secrets): string | null {
  return /^(env|file):/.test(value) ? secrets.read(value) : value
}
