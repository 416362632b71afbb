import type { Notice as NoticeRecord } from '../../../gateway/dingtalk/notice.ts'
import { groupBy, moment, type Published, place, type Violation } from './facts.ts'

/** What of a record of `gateway.notices` is judged. */
export type Notice = Pick<NoticeRecord, 'id' | 'state' | 'route' | 'destination' | 'event' | 'message'>

/** A message as DingTalk showed it to somebody; one that it recognised as a repeat is not shown again. */
export type Received = Readonly<{ destination: string; text: string; at: number }>

/** Whom a route tells about an event: names as notices carry them. */
export type Expected = Readonly<{ route: string; destination: string }>

export type NoticeFacts = Readonly<{
  events: readonly Published[]
  /** The records of `gateway.notices`, in the order of the log per notice. */
  notices: readonly Notice[]
  received: readonly Received[]
  /** What the routes want told about this event; nothing about a first load. */
  expectedOf: (published: Published) => readonly Expected[]
}>

/**
 * Every notice that a route asks for ends in exactly one final state, no notice is made that none asks for, and what
 * people were shown is what the log says was sent, or may have been.
 */
export function noticesOnce(facts: NoticeFacts): readonly Violation[] {
  const byId = groupBy(facts.notices, ({ id }) => id)
  const sentences = [
    ...[...byId.values()].flatMap(endings),
    ...expectations(facts, [...byId.values()]),
    ...deliveries(facts, [...byId.values()]),
  ]
  return sentences.map((sentence) => ({ checker: 'notices-once', sentence }))
}

function isFinal({ state }: Notice): boolean {
  return state !== 'planned' && state !== 'sending'
}

function name({ route, destination, event }: Notice): string {
  return `The notice of ${route} to ${destination} about ${event.key} (${event.type})`
}

function endings(records: readonly Notice[]): readonly string[] {
  const [first] = records
  if (first === undefined) return []
  const end = records.findIndex(isFinal)
  if (end === -1) return [`${name(first)} never ended; it is ${records.at(-1)?.state}.`]
  const after = records.slice(end + 1).map(({ state }) => state)
  if (after.length === 0) return []
  return [`${name(first)} ended as ${records[end]?.state} and then went on: ${after.join(', ')}.`]
}

function expectations(facts: NoticeFacts, all: readonly (readonly Notice[])[]): readonly string[] {
  const made = groupBy(all, ([first]) => JSON.stringify([first?.event.id, first?.route, first?.destination]))
  const wanted = new Set<string>()
  const missing = facts.events.flatMap((published) =>
    facts.expectedOf(published).flatMap(({ route, destination }) => {
      const key = JSON.stringify([published.event.id, route, destination])
      wanted.add(key)
      const count = made.get(key)?.length ?? 0
      if (count === 1) return []
      return [
        `${place(published)}, ${moment(published.time)}, has ${count} notices of ${route} to ${destination}.`,
      ]
    }),
  )
  const unwanted = [...made].flatMap(([key, [records]]) => {
    const last = records?.at(-1)
    const reached = last !== undefined && ['sent', 'unknown', 'sending'].includes(last.state)
    return wanted.has(key) || !reached ? [] : [`${name(last)} was made, and no route asks for it.`]
  })
  return [...missing, ...unwanted]
}

/** By words, since that is all that DingTalk knows of a message. */
function deliveries(facts: NoticeFacts, all: readonly (readonly Notice[])[]): readonly string[] {
  const key = (destination: string, text: string) => JSON.stringify([destination, text])
  const counts = new Map<string, { sent: number; unknown: number; received: number }>()
  const countOf = (of: string) => {
    const known = counts.get(of) ?? { sent: 0, unknown: 0, received: 0 }
    counts.set(of, known)
    return known
  }
  for (const records of all) {
    const text = records.find(({ message }) => message !== null)?.message?.text
    const last = records.at(-1)
    if (text === undefined || last === undefined) continue
    const count = countOf(key(last.destination, text))
    if (last.state === 'sent') count.sent += 1
    if (last.state === 'unknown') count.unknown += 1
  }
  for (const { destination, text } of facts.received) countOf(key(destination, text)).received += 1
  return [...counts].flatMap(([of, { sent, unknown, received }]) =>
    received >= sent && received <= sent + unknown
      ? []
      : [
          `DingTalk showed ${of} ${received} times; the log says ${sent} were sent and ${unknown} may have been.`,
        ],
  )
}
