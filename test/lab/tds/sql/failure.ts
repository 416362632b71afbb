/** An error of SQL Server, by its number. */
export class SqlFailure extends Error {
  readonly number: number
  constructor(number: number, message: string) {
    super(message)
    this.number = number
  }
}

/** What errors of PostgreSQL are called in SQL Server, longest prefix first. */
const NUMBERS: readonly (readonly [string, number, (words: string) => string])[] = [
  ['42P01', 208, (words) => `Invalid object name '${quoted(words)}'.`],
  ['3F000', 208, (words) => `Invalid object name '${quoted(words)}'.`],
  ['42703', 207, (words) => `Invalid column name '${quoted(words).replace(/^.*\./, '')}'.`],
  ['42501', 229, (words) => `The SELECT permission was denied on the object '${words.split(' ').at(-1)}'.`],
  ['42', 102, (words) => `Incorrect syntax: ${words}.`],
  ['22P02', 245, (words) => `Conversion failed when converting the nvarchar value '${quoted(words)}'.`],
  ['22003', 8115, () => 'Arithmetic overflow error converting expression to data type.'],
  ['22007', 241, () => 'Conversion failed when converting date and/or time from character string.'],
  ['22008', 242, () => 'The conversion of a nvarchar data type resulted in an out-of-range value.'],
  ['22', 8114, () => 'Error converting data type nvarchar.'],
  ['23', 2627, () => 'Violation of PRIMARY KEY constraint.'],
  [
    '40P01',
    1205,
    () =>
      'Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.',
  ],
  ['40', 3960, () => 'Snapshot isolation transaction aborted due to update conflict.'],
  ['55P03', 1222, () => 'Lock request time out period exceeded.'],
]

/** Whatever was thrown, as SQL Server would say it. */
export function asFailure(error: unknown): SqlFailure {
  if (error instanceof SqlFailure) return error
  const words = error instanceof Error ? error.message : String(error)
  const state = error instanceof Error && 'code' in error ? String(error.code) : ''
  const [, number, say] = NUMBERS.find(([prefix]) => state.startsWith(prefix)) ?? ['', 50_000, (all) => all]
  return new SqlFailure(number, say(words))
}

/** What stands last in quotes: a name, or the value that was not understood. */
function quoted(words: string): string {
  return /"([^"]*)"[^"]*$/.exec(words)?.[1] ?? words.replace(/^column (\S+) does not exist$/, '$1')
}
