import type { Sent } from './client.ts'
import type { Notice, NoticeState } from './notice.ts'

/** What one call means for one of its notices: an end, or another call not before `againMs`. */
export type Settlement = Readonly<
  | {
      kind: 'ends'
      state: Extract<NoticeState, 'sent' | 'failed' | 'unknown'>
      reason: string | null
      reference: string | null
    }
  | { kind: 'again'; againMs: number; reason: string; isUnsure: boolean }
>

/** What the policy knows about a parcel when one of its calls has ended. */
export type Tried = Readonly<{ forMs: number; unclearCalls: number; isRepeatable: boolean }>

/** For how long and how often a message is tried again, by why it did not go out. */
const TRIES = {
  /** Throttled: the row of waits ends after this many calls, or this long. */
  throttledCallsMax: 12,
  throttledMsMax: 3_600_000,
  /** Nothing was sent at all: one call a minute, until the message is as old as events may be by default. */
  unreachableMsMax: 86_400_000,
  /** DingTalk's own page says: repeat -1 at most three times. */
  unclearCallsMax: 4,
  unclearWaitMs: 2_000,
  flowControlMs: 60_000,
} as const

/** `user`: the notice's DingTalk user, where the call went to several. */
export function settle(notice: Notice, user: string | null, sent: Sent, tried: Tried): Settlement {
  switch (sent.kind) {
    case 'sent':
      return sentTo(notice, user, sent)
    case 'refused':
      return gaveUp(notice, sent.reason)
    case 'throttled': {
      const isOver = notice.attempt >= TRIES.throttledCallsMax || tried.forMs > TRIES.throttledMsMax
      return isOver
        ? gaveUp(notice, `Throttled too long, ${sent.reason}`)
        : again(notice, sent.waitMs, sent.reason)
    }
    case 'unreachable':
      return tried.forMs > TRIES.unreachableMsMax
        ? gaveUp(notice, `DingTalk could not be reached for a day, ${sent.reason}`)
        : again(notice, 0, sent.reason)
    case 'transient':
    case 'unclear':
      return tried.isRepeatable && tried.unclearCalls < TRIES.unclearCallsMax
        ? {
            kind: 'again',
            againMs: TRIES.unclearWaitMs * 2 ** (tried.unclearCalls - 1),
            reason: sent.reason,
            isUnsure: true,
          }
        : { kind: 'ends', state: 'unknown', reason: sent.reason, reference: null }
  }
}

function sentTo(notice: Notice, user: string | null, sent: Extract<Sent, { kind: 'sent' }>): Settlement {
  switch (user === null ? undefined : sent.left.get(user)) {
    case 'invalid':
      return gaveUp(
        notice,
        'DingTalk knows no such user in this organisation, or the robot may not write to him',
      )
    case 'flow-controlled':
      return notice.attempt >= TRIES.throttledCallsMax
        ? gaveUp(notice, 'DingTalk holds back messages to this user')
        : again(notice, TRIES.flowControlMs, 'DingTalk holds back messages to this user')
    case undefined:
      return { kind: 'ends', state: 'sent', reason: null, reference: sent.reference }
  }
}

function again(notice: Notice, againMs: number, reason: string): Settlement {
  return { kind: 'again', againMs, reason, isUnsure: notice.isUnsure }
}

/** What may have gone out in an earlier call has not failed: nobody can say. */
function gaveUp(notice: Notice, reason: string): Settlement {
  return { kind: 'ends', state: notice.isUnsure ? 'unknown' : 'failed', reason, reference: null }
}
