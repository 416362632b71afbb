import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { ADAPTER_CHECKS, violations } from '../kit/adapter-contract.ts'
import type { AdapterSubject } from '../kit/adapter-world.ts'
import type { JournalBug } from '../kit/toy-adapters/journal.ts'
import { JOURNAL_BUGS, toyJournal } from '../kit/toy-adapters/journal.ts'
import { journalWorld } from '../kit/toy-adapters/journal-world.ts'
import type { LedgerBug } from '../kit/toy-adapters/ledger.ts'
import { LEDGER_BUGS, toyLedger } from '../kit/toy-adapters/ledger.ts'
import { ledgerWorld } from '../kit/toy-adapters/ledger-world.ts'

const UNREAD = 'hands over a row it cannot read and carries on behind it'
const FAILURES = 'survives a failure at each call it makes'
const DOWN = 'checks without throwing when the source is down'
const RESUMES = 'resumes in a new session after every batch, losing nothing'
const SAME = 'gives the same record the same key and fingerprint'
const SHAPE = 'keeps batches within the limit, never empty'
const READ = 'reads single rows fresh and leaves out what is not there'
const STEPS = 'does no step again that is done'
const FINAL = 'calls an absence final only if nothing can come after'

/** The check that was written for each mistake; others may fail as well. */
const CAUGHT_BY: Readonly<Record<JournalBug | LedgerBug, string>> = {
  'skips the rest of a segment behind a bad line': UNREAD,
  'throws on a bad line': UNREAD,
  'loses bad lines silently': UNREAD,
  'settles one segment too many': 'settles nothing beyond the cursor',
  'settles only once': 'settles twice as well as once',
  'swallows read errors': FAILURES,
  'cursor off by one': RESUMES,
  'cursor before its records': 'resumes when every session ends after one batch',
  'unstable key': SAME,
  'unstable content': SAME,
  'reads everything ahead': 'reads ahead no further than one batch',
  'deletions declared otherwise': 'reports deletions as declared',
  'deletions forgotten': 'reports deletions as declared',
  'ignores the signal': 'stops when told to',
  'batches over the limit': SHAPE,
  'empty batch at the end': SHAPE,
  'check throws': DOWN,
  'check always passes': DOWN,
  'secret in an error': 'shows no secret in any log or error',
  'preview settles': 'previews without moving anything',
  'accepts any setting': 'refuses unknown settings',
  'settings without description': 'describes every setting',
  'reads any cursor': 'refuses the cursor of another kind',
  'throws plain errors': FAILURES,
  'fields described wrongly': 'describes the fields that it delivers',
  'another identity each time': 'says who answers, and always the same',
  'example with a slip': 'accepts its own example',
  'reads a feed that is not there': 'refuses a feed that it does not have',
  'pass without end': 'begins and ends every pass',
  'pass that begins anew when resumed': RESUMES,
  'pass that skips a row between pages': 'delivers everything from the beginning',
  'takes a changed record for known': 'reports changes after catching up',
  'polls only once': 'reports only what is new after catching up',
  'eleven versions backwards': 'ends at the last of eleven versions of one key',
  'forgets where a pass was': 'reads again from where it declares it can',
  'forgets the row version': 'tells an older version that comes second',
  'older row version called newer': 'keeps the order that it declares',
  'point reads from a cache': READ,
  'point reads invent rows': READ,
  'start now reads the past': 'starts from now with what comes after',
  'command without deduplication': 'applies a command once however often it is sent',
  'look-up that lies final': FINAL,
  'look-up that forgets its tenant': 'takes effect exactly once when the reply of any call is lost',
  'ignores what the person saw': 'does nothing to a document that changed since it was shown',
  'looks and acts in two steps': 'does nothing to a document that changes between look and act',
  'ignores the deadline': 'sends nothing when it is too late',
  'throws nonsense': 'rejects nonsense instead of throwing',
  'silence taken for a refusal': 'takes effect exactly once when the request of any call is lost',
  'silence taken for retry': FINAL,
  'repeats a step that is done': STEPS,
  'records a step of another name': STEPS,
}

// The kit is only worth what it catches: each mistake that is planted in a toy must fail the check written for it.
describe('the kit catches', () => {
  for (const bug of JOURNAL_BUGS)
    test(`a journal with: ${bug}`, async () => {
      const subject = { adapter: toyJournal(bug), world: journalWorld }
      expect(await isCaught(CAUGHT_BY[bug], subject)).toBe(true)
    })
  for (const bug of LEDGER_BUGS)
    test(`a ledger with: ${bug}`, async () => {
      const world = () => ledgerWorld({ releaseGuard: bug === 'repeats a step that is done' })
      expect(await isCaught(CAUGHT_BY[bug], { adapter: toyLedger(bug), world })).toBe(true)
    })
})

test('has a planted mistake for every check of the kit', () => {
  const proven = new Set(Object.values(CAUGHT_BY))
  expect(ADAPTER_CHECKS.map(({ name }) => name).filter((name) => !proven.has(name))).toEqual([])
})

async function isCaught<Connection extends z.ZodType, Feed extends z.ZodObject, Transport>(
  name: string,
  subject: AdapterSubject<Connection, Feed, Transport>,
): Promise<boolean> {
  const check = ADAPTER_CHECKS.find((candidate) => candidate.name === name)
  if (check === undefined) throw new Error(`The kit has no check "${name}".`)
  return (await violations(check, subject)).length > 0
}
