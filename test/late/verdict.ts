import pg from 'pg'
import { contentOf, groupBy, type Published, type RowVersion } from '../kit/checkers/facts.ts'
import { gaplessRevisions } from '../kit/checkers/gapless-revisions.ts'
import { deletesTrue, orderPerKey } from '../kit/checkers/order-per-key.ts'
import type { LateFeed } from './feeds.ts'
import { LATE_FROM } from './world.ts'

/** What was committed, by the number of the document, in the order of the commits. */
export type LateTruth = ReadonlyMap<number, readonly Readonly<{ content: string | null; at: number }>[]>

export type LateVerdict = Readonly<{
  lost: number
  invented: number
  order: number
  doubled: number
  first: string | null
}>

export async function readTruth(databaseUrl: string): Promise<LateTruth> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  // A row is locked before its version is numbered, so that the numbers of a document rise as it was committed.
  const { rows } = await client.query<{ no: number; content: string | null; at: string }>(
    'SELECT no, content, extract(epoch FROM at) * 1000 AS at FROM history ORDER BY id',
  )
  await client.end()
  return new Map(
    [...Map.groupBy(rows, ({ no }) => no)].map(([no, versions]) => [
      no,
      versions.map(({ content, at }) => ({ content, at: Number(at) })),
    ]),
  )
}

/**
 * Lost: the last version of a document, or one that was current for longer than `currentMs`, that the log does not hold
 * though this way of following must find it. Invented, order: the log of a document is no subsequence of what was
 * committed. Doubled: two events of one revision.
 */
export function lateVerdict(
  feed: LateFeed,
  truth: LateTruth,
  events: readonly Published[],
  of: Readonly<{ isSwept: boolean; currentMs: number }>,
): LateVerdict {
  const runs = groupBy(events, ({ recordKey }) => recordKey)
  const versions = new Map(
    [...truth].map(([no, all]) => [
      `${feed.name}/001/${no}`,
      all.map(
        ({ content }): RowVersion =>
          content === null
            ? { at: 0, kind: 'gone' }
            : { at: 0, kind: 'value', content: contentOf({ mark: content }) },
      ),
    ]),
  )
  const lost = [...truth].flatMap(([no, all]) => {
    const run = runs.get(`${feed.name}/001/${no}`) ?? []
    return losses(feed, no, all, run.map(saidBy), of)
  })
  const order = orderPerKey(events, versions)
  const invented = order.filter(({ sentence }) => !isCommitted(sentence, truth))
  const deletions = deletesTrue(events, versions)
  const doubled = gaplessRevisions(events)
  const faults = [...order, ...deletions, ...doubled].map(({ sentence }) => sentence)
  return {
    lost: lost.length,
    invented: invented.length + deletions.length,
    order: order.length - invented.length,
    doubled: doubled.length,
    first: lost[0] ?? faults[0] ?? null,
  }
}

function losses(
  feed: LateFeed,
  no: number,
  versions: readonly Readonly<{ content: string | null; at: number }>[],
  said: readonly (string | null)[],
  { isSwept, currentMs }: Readonly<{ isSwept: boolean; currentMs: number }>,
): readonly string[] {
  const mustFind = (content: string | null) =>
    isSwept ||
    (content === null ? feed.finds.deletions : content.endsWith('beyond') ? feed.finds.beyond : true)
  const found: string[] = []
  const last = versions.at(-1)
  if (last !== undefined && mustFind(last.content) && (said.at(-1) ?? null) !== last.content)
    found.push(`${no} is ${last.content ?? 'deleted'}, the log says ${said.at(-1) ?? 'nothing, or deleted'}`)
  // When a late transaction was committed, its row's own time does not tell.
  if (no >= LATE_FROM) return found
  for (const [index, { content, at }] of versions.entries()) {
    const next = versions[index + 1]
    if (next === undefined || next.at - at < currentMs || content === null || said.includes(content)) continue
    found.push(`${no} was ${content} for ${Math.round((next.at - at) / 1_000)} s, and the log never says so`)
  }
  return found
}

function isCommitted(sentence: string, truth: LateTruth): boolean {
  const no = Number(/\/001\/(\d+) /.exec(sentence)?.[1])
  const content = /"mark":"([^"]*)"/.exec(sentence)?.[1]
  return (truth.get(no) ?? []).some((version) => version.content === content)
}

function saidBy({ event }: Published): string | null {
  return event.type.endsWith('.deleted.v1') ? null : String(event.data['mark'])
}
