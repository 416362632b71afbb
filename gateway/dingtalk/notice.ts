import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ORIGINS } from '../event.ts'
import { LANGUAGES } from './figures.ts'

/**
 * How a notice stands. `planned` waits for its call (or for its next one), `sending` may be under way, the others
 * are final: each notice ends in exactly one of them.
 */
const NOTICE_STATES = ['planned', 'sending', 'sent', 'failed', 'unknown', 'suppressed'] as const
export type NoticeState = (typeof NOTICE_STATES)[number]

/** Through what it goes out. Only a webhook takes an idempotency key. */
const CHANNELS = ['app-person', 'app-group', 'webhook', 'none'] as const
export type ChannelKind = (typeof CHANNELS)[number]

const NoticeShape = z.strictObject({
  /** hash(event id, route, destination): the same event told again is the same notice. */
  id: z.string(),
  state: z.enum(NOTICE_STATES),
  /** Calls begun for it so far. */
  attempt: z.int().nonnegative(),
  /** Epoch ms by the wall clock of who wrote the record. */
  at: z.number(),
  route: z.string(),
  event: z.strictObject({
    id: z.string(),
    type: z.string(),
    /** The record key, `<system>/<company>/<subject>`. */
    key: z.string(),
    origin: z.enum(ORIGINS).nullable(),
    time: z.string().nullable(),
  }),
  /** `person:<name>`, `group:<name>`; `role:<name>` when the role has nobody; `-` when nobody could be found at all. */
  destination: z.string(),
  channel: z.enum(CHANNELS),
  /** Notices with the same parcel say the same and go out in one call. */
  parcel: z.string(),
  input: z.strictObject({ topic: z.string(), partition: z.int(), offset: z.int() }),
  language: z.enum(LANGUAGES).nullable(),
  /** Epoch ms. Sending: after it the call cannot be under way any more. Planned: no call before it. */
  until: z.number().nullable(),
  /** Sending: which run of a publisher makes the call, and so knows whether it ever did. */
  sender: z.string().nullable(),
  /** An earlier call may have been carried out, so it can no longer end as failed. */
  isUnsure: z.boolean(),
  /** One sentence: why it failed, waits, or is unknown. */
  reason: z.string().nullable(),
  /** Paths of placeholders that the event has no value for; the message shows a dash there. */
  lacks: z.array(z.string()).readonly(),
  /** DingTalk's processQueryKey, with which a message can be recalled. */
  reference: z.string().nullable(),
  /** In the first record of a notice only. */
  message: z.strictObject({ title: z.string(), text: z.string() }).nullable(),
})

/** A record of `gateway.notices`; the newest of an id is how the notice stands. */
export type Notice = Readonly<z.output<typeof NoticeShape>>

export function isFinal(state: NoticeState): boolean {
  return state !== 'planned' && state !== 'sending'
}

/** The id of what a route tells a destination about an event. */
export function noticeId(eventId: string, route: string, destination: string): string {
  return createHash('sha256')
    .update(JSON.stringify([eventId, route, destination]))
    .digest('hex')
    .slice(0, 32)
}

export function encodeNotice(notice: Notice): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(notice))
}

/** Throws when the bytes are not a notice: a foreign writer or another version, and nothing to guess about. */
export function decodeNotice(value: Uint8Array): Notice {
  return NoticeShape.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value)))
}
