import { textTable } from '../../gateway/cli/text-table.ts'
import { type LateOutcome, type LateRun, runLate } from '../../test/late/run.ts'
import type { LateVerdict } from '../../test/late/verdict.ts'
import { WRITERS } from '../../test/late/world.ts'
import { freshDatabase } from '../services/fresh-database.ts'
import { createServices, mustHave } from '../services.ts'

/** How late transactions commit, and how far polls look back. */
const WINDOW_MS = 60_000

/**
 * Sixteen writers on PostgreSQL, transactions that commit up to a minute late and one of a hundred later still, rows with
 * one time stamp, clocks that step back, and a night in which they are put back: what each way of following the table
 * loses, invents, doubles or brings out of order, beside a naive poller. False where a promise is broken, or where the
 * feed whose guards are switched off loses nothing: then the run proves nothing.
 */
export async function benchLateCommit(
  changes: number,
  seed: string,
  print: (line: string) => void,
): Promise<boolean> {
  const services = createServices({ environment: process.env, report: print })
  try {
    const url = await mustHave(services, 'postgres')
    const databaseUrl = await freshDatabase(url, `bench_late_${process.pid}`)
    print(
      `\n${WRITERS} writers, ${changes} changes, transactions up to ${WINDOW_MS / 1_000} s late, seed ${seed}`,
    )
    const run = await runLate({ databaseUrl, changes, windowMs: WINDOW_MS, behindMs: 10_000, seed, print })
    print(`\n${lateTable(run)}`)
    return tellPromises(run, print)
  } finally {
    await services.stop()
  }
}

function lateTable({ outcomes, naiveLost, documents, seconds }: LateRun): string {
  const cells = ({ lost, invented, order, doubled }: LateVerdict) =>
    [lost, invented, order, doubled].map(String)
  const rows = outcomes.flatMap(({ feed, events, polled, swept, statement }) => [
    [feed.name, 'polls', String(events), ...cells(polled), feed.says],
    ...(swept === null
      ? []
      : [['', 'and a sweep', '', ...cells(swept), `mended by it: ${statement?.healed ?? 0}`]]),
  ])
  const naive = [
    'naive',
    'polls',
    '',
    String(naiveLost),
    '',
    '',
    '',
    'everything above the highest value seen',
  ]
  const table = textTable(
    ['FEED', 'AFTER', 'EVENTS', 'LOST', 'INVENTED', 'ORDER', 'DOUBLED', ''],
    [...rows, naive],
  )
  return `${table}\n${documents} documents, ${Math.round(seconds)} s`
}

function tellPromises({ outcomes, naiveLost }: LateRun, print: (line: string) => void): boolean {
  let isKept = true
  const tell = (isMet: boolean, line: string) => {
    print(`${isMet ? 'met   ' : 'MISSED'} ${line}`)
    isKept &&= isMet
  }
  for (const { feed, polled, swept } of outcomes) {
    if (!feed.finds.within) tell(polled.lost > 0, `${feed.name}: its checker finds losses (${polled.lost})`)
    else
      tell(
        isClean(polled) && (swept === null || isClean(swept)),
        `${feed.name}: ${firstOf({ polled, swept })}`,
      )
  }
  print(`       naive: loses ${naiveLost}`)
  return isKept
}

function isClean({ lost, invented, order, doubled }: LateVerdict): boolean {
  return lost + invented + order + doubled === 0
}

function firstOf({ polled, swept }: Pick<LateOutcome, 'polled' | 'swept'>): string {
  return polled.first ?? swept?.first ?? 'nothing lost, invented, doubled or out of order'
}
