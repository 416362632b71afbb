import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Bench, createBench, events, rejects, runOnce } from './lane-bench.ts'
import { put, type Row } from './table-source.ts'

/** What somebody does in the ERP between two runs. */
type Step =
  | Readonly<{ kind: 'put'; key: string; number: string; amount: string }>
  | Readonly<{ kind: 'remove'; key: string }>
  | Readonly<{ kind: 'run' }>

// Few keys and numbers, so that rows change their record key, claim another's, vanish and come back.
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      key: oneOf('k', 4),
      number: oneOf('P', 4),
      amount: oneOf('a', 3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      key: oneOf('k', 4),
      number: oneOf('P', 4),
      amount: fc.constant('poison'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), key: oneOf('k', 4) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('run' as const) }) },
)

function oneOf(prefix: string, count: number): fc.Arbitrary<string> {
  return fc.constantFrom(...Array.from({ length: count }, (_, index) => `${prefix}${index}`))
}

/** Plays the steps; `forgets`: the projection is lost before every run. */
async function play(steps: readonly Step[], strategy: 'changes' | 'pass', forgets: boolean): Promise<Bench> {
  const bench = createBench()
  for (const one of [...steps, { kind: 'run' } as const]) {
    if (one.kind === 'put') put(bench.table, one.key, { number: one.number, amount: one.amount })
    else if (one.kind === 'remove') bench.table.rows.delete(one.key)
    else {
      if (forgets) bench.projections.clear()
      const status = await runOnce(bench, { strategy })
      expect(status.state).toBe('waiting')
    }
  }
  return bench
}

/** Everything that the log says, in an order that does not depend on partitions or ids. */
async function said(bench: Bench): Promise<readonly unknown[]> {
  const all = await events(bench.log)
  return all
    .map(({ subject, revision, type, data, sourcekey, changedfields }) => ({
      subject,
      revision,
      type,
      data,
      sourcekey,
      changedfields,
    }))
    .sort((a, b) => (a.subject === b.subject ? a.revision - b.revision : a.subject < b.subject ? -1 : 1))
}

for (const strategy of ['changes', 'pass'] as const) {
  test(`a lane that loses its projection before every run publishes the very same events (${strategy}) [P2 P3]`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 24 }), async (steps) => {
        const kept = await play(steps, strategy, false)
        const lost = await play(steps, strategy, true)
        expect(await said(lost)).toEqual(await said(kept))
      }),
      { numRuns: 60, seed: 7 },
    )
  }, 60_000)
}

test('after a complete pass the newest event of every record is its row', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 24 }), async (steps) => {
      const bench = await play(steps, 'pass', false)
      const living = newest(await said(bench))
      const rejected = new Set((await rejects(bench.log)).map((reject) => String(reject['sourceKey'])))
      for (const [key, row] of bench.table.rows) {
        if (!rejected.has(key)) expect(living.get(String(row['number']))).toEqual(row)
      }
    }),
    { numRuns: 60, seed: 11 },
  )
}, 60_000)

function newest(all: readonly unknown[]): Map<string, Row> {
  const rows = new Map<string, Row>()
  for (const { subject, type, data } of all as { subject: string; type: string; data: Row }[]) {
    if (type.includes('.deleted.')) rows.delete(subject)
    else rows.set(subject, { number: data['number'] ?? null, amount: data['amount'] ?? null })
  }
  return rows
}
