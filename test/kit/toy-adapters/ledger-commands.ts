import { z } from 'zod'
import type { Call, Command, Context, Found, Outcome } from '../../../adapters/contract.ts'
import { AdapterError } from '../../../adapters/errors.ts'
import { text } from '../../../adapters/shared/settings.ts'
import type { LedgerBug, LedgerTransport } from './ledger.ts'

type Has = (bug: LedgerBug) => boolean

/** `post-note` has a key that the ERP keeps unique; `release` is refused once it is done. */
export function ledgerCommands(
  transport: LedgerTransport,
  context: Context,
  has: Has,
): Readonly<Record<string, Command>> {
  return { 'post-note': postNote(transport, context, has), release: release(transport, context, has) }
}

function postNote(transport: LedgerTransport, context: Context, has: Has): Command {
  const input = z.strictObject({ note: text().describe('What is noted.') })
  return {
    summary: 'Notes something in the ledger.',
    input,
    steps: ['post'],
    repeat: 'by-key',
    async execute(given, call) {
      const { note } = input.parse(given)
      const late = tooLate(context, call, has)
      if (late !== null) return late
      const key = has('command without deduplication')
        ? `${call.idempotencyKey}-${call.attempt}`
        : call.idempotencyKey
      const answer = await act(() => transport.post(key, note), has)
      if (answer === null)
        return { kind: 'rejected', code: 'NO_ANSWER', reason: 'The ledger did not answer.' }
      if ('refused' in answer) {
        if (has('throws nonsense')) throw new AdapterError('ADAPTER_CONFIG_INVALID', answer.refused)
        return { kind: 'rejected', code: 'REFUSED', reason: answer.refused }
      }
      await call.record(has('records a step of another name') ? 'posting' : 'post', answer.reference)
      return { kind: answer.isNew ? 'applied' : 'duplicate', reference: answer.reference }
    },
    async lookup(_given, call): Promise<Found> {
      const key = has('look-up that forgets its tenant') ? 'another-key' : call.idempotencyKey
      const reference = await transport.posted(key)
      if (reference !== null) return { kind: 'applied', reference, by: 'this-command' }
      return {
        kind: 'absent',
        final: has('look-up that lies final') || has('look-up that forgets its tenant'),
      }
    },
  }
}

function release(transport: LedgerTransport, context: Context, has: Has): Command {
  const input = z.strictObject({ approve: text().describe('Which document.') })
  return {
    summary: 'Releases the document.',
    input,
    steps: ['look', 'release'],
    repeat: 'conditional',
    async execute(given, call): Promise<Outcome> {
      const { approve } = input.parse(given)
      if (approve !== 'D1')
        return { kind: 'rejected', code: 'UNKNOWN_DOCUMENT', reason: 'There is no such document.' }
      const done = call.done.find(({ step }) => step === 'release')
      if (done !== undefined && !has('repeats a step that is done'))
        return { kind: 'duplicate', reference: done.reference }
      const seen = await transport.document()
      const expected = call.expect === null ? null : Number(call.expect['version'])
      if (expected !== null && seen.version !== expected && !has('ignores what the person saw'))
        return CHANGED
      await call.record('look', String(seen.version))
      const late = tooLate(context, call, has)
      if (late !== null) return late
      const isBlind =
        has('looks and acts in two steps') ||
        has('ignores what the person saw') ||
        has('repeats a step that is done')
      const answer = await act(() => transport.release(isBlind ? null : seen.version), has)
      if (answer === null)
        return { kind: 'rejected', code: 'NO_ANSWER', reason: 'The ledger did not answer.' }
      if (answer === 'changed') return CHANGED
      await call.record('release', 'D1')
      return { kind: answer === 'released' ? 'applied' : 'duplicate', reference: 'D1' }
    },
    async lookup(): Promise<Found> {
      const { isReleased } = await transport.document()
      if (isReleased) return { kind: 'applied', reference: 'D1', by: 'cannot-tell' }
      return { kind: 'absent', final: has('look-up that lies final') }
    },
  }
}

const CHANGED: Outcome = {
  kind: 'rejected',
  code: 'CHANGED_SINCE_SHOWN',
  reason: 'The document is not what was shown.',
}

function tooLate(context: Context, call: Call, has: Has): Outcome | null {
  if (context.runtime.wall() <= call.notAfter || has('ignores the deadline')) return null
  return { kind: 'rejected', code: 'TOO_LATE', reason: 'The command came too late and was not sent.' }
}

/** Whatever goes wrong once the request may have been sent is silence: nobody knows whether it took effect. */
async function act<Answer>(send: () => Promise<Answer>, has: Has): Promise<Answer | null> {
  try {
    return await send()
  } catch (error) {
    if (has('silence taken for a refusal')) return null
    if (has('silence taken for retry')) throw error
    throw new AdapterError('ADAPTER_OUTCOME_UNKNOWN', 'The ledger did not say what became of the command.', {
      cause: error,
    })
  }
}
