import { expect, test } from 'vitest'
import { judge } from '../isolation/goals.ts'
import { watchGateway } from '../isolation/run.ts'
import { describeWithService } from '../kit/services.ts'

/** Longer than a source may take to let us in. */
const FOR_MS = 20_000

/** The rows of one short run are few, so a single stall of the machine is a p99; `npm run bench -- isolation` is exact. */
const RATIO_MAX = 4

describeWithService('postgres', 'isolation of sources', (postgres) => {
  test('four sources go on beside one that hangs, one that drips, one that burns the processor and one that is all rejects; verbs are answered, and SIGTERM ends it [P6 P9 F7 F8 F39 F40]', async () => {
    const watch = async (withSick: boolean) => {
      await using database = await postgres.database()
      return await watchGateway({ databaseUrl: database.url, withSick, forMs: FOR_MS })
    }
    const goals = judge([await watch(false)], [await watch(true)], RATIO_MAX)
    expect(goals.filter(({ isMet }) => !isMet)).toEqual([])
  })
})
