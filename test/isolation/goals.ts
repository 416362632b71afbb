import type { Seen } from './run.ts'
import type { SICK } from './sources.ts'

/** Something that isolation promises, and how it was in these runs. */
export type Goal = Readonly<{ goal: string; isMet: boolean; seen: string }>

/** What a healthy source may lose beside sick ones: so many times its p99 alone. */
const RATIO_MAX = 1.5

const LOOP_LAG_MAX_MS = 200
const VERB_MAX_MS = 1_000
const STOP_MAX_MS = 20_000

/** Compares runs of healthy sources alone with runs beside sick ones. */
export function judge(
  alone: readonly Seen[],
  beside: readonly Seen[],
  ratioMax = RATIO_MAX,
): readonly Goal[] {
  const p99 = (runs: readonly Seen[]) => percentile(pollToLog(runs), 99)
  const ratio = p99(beside) / p99(alone)
  const lag = Math.max(...beside.map(({ loopLag }) => loopLag.p99Ms))
  const verbs = beside.flatMap((run) => run.verbs)
  const slowest = verbs.toSorted((left, right) => right.ms - left.ms)[0]
  const refused = verbs.filter((verb) => verb.refused !== null)
  const missing = [...alone, ...beside].reduce((sum, run) => sum + run.missing, 0)
  const stop = beside.toSorted((left, right) => right.stop.ms - left.stop.ms)[0]?.stop
  const codes = beside.map((run) => run.stop.code)
  return [
    {
      goal: `p99 poll-to-log of healthy sources at most ${ratioMax} times that without sick ones`,
      isMet: ratio <= ratioMax,
      seen: `${ratio.toFixed(2)} times`,
    },
    {
      goal: `loop lag of the main thread p99 under ${LOOP_LAG_MAX_MS} ms`,
      isMet: lag < LOOP_LAG_MAX_MS,
      seen: `${lag.toFixed(1)} ms`,
    },
    { goal: 'every row of a healthy source arrives', isMet: missing === 0, seen: `${missing} missing` },
    {
      goal: `status, pause and resume answer within ${VERB_MAX_MS} ms, those of sick sources too`,
      isMet: refused.length === 0 && slowest !== undefined && slowest.ms < VERB_MAX_MS,
      seen:
        refused.length > 0
          ? `refused: ${refused.map(({ source, refused: why }) => `${source}: ${why}`).join('; ')}`
          : `${verbs.length} verbs, slowest ${slowest?.verb} ${slowest?.source ?? ''} ${slowest?.ms.toFixed(0)} ms`,
    },
    ...(['hung', 'dripping'] as const satisfies readonly (typeof SICK)[number][]).map((source) => {
      const reasons = beside.flatMap((run) => run.reasons.get(source) ?? [])
      return {
        goal: `the status says that ${source} gives no answer`,
        isMet:
          reasons.length === beside.length && reasons.every((reason) => reason.includes('no answer within')),
        seen: reasons[0] ?? 'nothing',
      }
    }),
    {
      goal: `SIGTERM ends it within ${STOP_MAX_MS / 1_000} s with exit 0`,
      isMet: codes.every((code) => code === 0) && stop !== undefined && stop.ms < STOP_MAX_MS,
      seen: `at most ${stop?.ms.toFixed(0)} ms, exit ${[...new Set(codes)].join(', ')}`,
    },
  ]
}

/** Of rows of healthy sources, over all the runs. */
export function pollToLog(runs: readonly Seen[]): readonly number[] {
  return runs.flatMap((run) => run.pollToLogMs)
}

/** The value that so many percent of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN
}
