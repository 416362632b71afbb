import { expect, test } from 'vitest'
import { describeWithService } from '../kit/services.ts'
import { runLate } from '../late/run.ts'

/** `npm run bench -- late-commit` is the same with a minute and two hundred thousand changes. */
const WINDOW_MS = 8_000

describeWithService('postgres', 'sixteen writers whose commits come late', (postgres) => {
  test('polls lose, invent, double and reorder nothing within the window, nor does a sweep beyond it; without overlap the checker finds losses [P1 P2 P3 F16 F29 F30]', async () => {
    await using database = await postgres.database()
    const { outcomes, naiveLost } = await runLate({
      databaseUrl: database.url,
      changes: 20_000,
      windowMs: WINDOW_MS,
      behindMs: 20_000,
      seed: 'verify',
      print: () => undefined,
    })
    const clean = { lost: 0, invented: 0, order: 0, doubled: 0, first: null }
    for (const { feed, polled, swept } of outcomes) {
      if (!feed.finds.within) continue
      expect(polled, `${feed.name}: ${feed.says}, after polls`).toEqual(clean)
      if (swept !== null) expect(swept, `${feed.name}: ${feed.says}, after a sweep`).toEqual(clean)
    }
    const blind = outcomes.find(({ feed }) => !feed.finds.within)
    expect(blind?.polled.lost).toBeGreaterThan(0)
    expect(naiveLost).toBeGreaterThan(0)
  })
})
