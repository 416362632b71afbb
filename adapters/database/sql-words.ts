import type { SqlEngine, SqlToken } from './sql-tokens.ts'

const WRITES = 'writes or does something other than read; leave it out, or quote it where it is a column'
const INTO = 'writes what it reads into a table, file or variable (INTO); leave it out'
const LOCKS = 'locks rows, which holds up the ERP; leave the lock out'
const LOSES = 'reads rows twice or not at all while others write; leave the hint out'

/** Words that stand in no SELECT, with what is wrong. */
const EVERYWHERE: readonly (readonly [string, string])[] = [
  ['INTO', INTO],
  ['LOCK', LOCKS],
  ...saying(
    WRITES,
    `ALTER BEGIN CALL CREATE DECLARE DELETE DROP EXEC EXECUTE GRANT INSERT MERGE PROCEDURE REPLACE REVOKE SET TRUNCATE
    UPDATE`,
  ),
]

/** In T-SQL a statement ends where the next one begins, without any sign: these words begin one. */
const BEGINNINGS = `BACKUP BREAK BULK CHECKPOINT CLOSE COMMIT CONTINUE DBCC DEALLOCATE DENY DUMP GOTO IF KILL LOAD OPEN
  PRINT RAISERROR READTEXT RECEIVE RECONFIGURE RESTORE RETURN REVERT ROLLBACK SAVE SETUSER SHUTDOWN THROW TRIGGER
  UPDATETEXT USE WAITFOR WHILE WRITETEXT OPENDATASOURCE OPENQUERY OPENROWSET OPENXML`

export const REFUSED_WORDS: Readonly<Record<SqlEngine, ReadonlyMap<string, string>>> = {
  postgres: new Map(EVERYWHERE),
  mysql: new Map([...EVERYWHERE, ...saying(INTO, 'OUTFILE DUMPFILE')]),
  oracle: new Map(EVERYWHERE),
  sqlserver: new Map([...EVERYWHERE, ...saying(WRITES, BEGINNINGS)]),
}

/** SQL Server's words about how a table is locked, with or without WITH before them. */
export const TABLE_HINTS: ReadonlyMap<string, string> = new Map([
  ...saying(LOSES, 'NOLOCK READPAST READUNCOMMITTED'),
  ...saying(
    LOCKS,
    'HOLDLOCK PAGLOCK REPEATABLEREAD ROWLOCK SERIALIZABLE TABLOCK TABLOCKX UPDLOCK XLOCK READCOMMITTEDLOCK',
  ),
])

type Before = (before: SqlToken | undefined) => boolean

/** Reserved in every engine, so no function can be called like them. */
const RESERVED = `ALL AND AS BETWEEN CASE DISTINCT ELSE EXISTS FROM GROUP HAVING IN IS LIKE NOT ON OR SELECT THEN UNION
  VALUES WHEN WHERE`

/** Not reserved everywhere: what stands before them tells that they call nothing. */
const TOLD_BY_BEFORE: readonly (readonly [string, Before])[] = [
  ['ANY', (before) => isComparison(before)],
  ['SOME', (before) => isComparison(before)],
  ['BY', (before) => says(before, 'GROUP', 'ORDER', 'PARTITION', 'SIBLINGS', 'CONNECT')],
  ['FILTER', (before) => before?.value === ')'],
  ['INTERSECT', (before) => endsOperand(before)],
  [
    'JOIN',
    (before) => endsOperand(before) || says(before, 'INNER', 'LEFT', 'RIGHT', 'FULL', 'OUTER', 'CROSS'),
  ],
  ['NEXT', (before) => says(before, 'FETCH')],
  ['OVER', (before) => before?.value === ')' || says(before, 'NULLS')],
  ['SETS', (before) => says(before, 'GROUPING')],
  ['USING', (before) => endsOperand(before)],
]

const OWN: Readonly<Record<SqlEngine, readonly (readonly [string, Before])[]>> = {
  postgres: reserved('EXCEPT ILIKE LATERAL LIMIT OFFSET'),
  mysql: reserved('DIV EXCEPT LATERAL LIMIT REGEXP RLIKE XOR'),
  oracle: [
    ...reserved('MINUS PRIOR'),
    ['APPLY', (before) => says(before, 'CROSS', 'OUTER')],
    ['KEEP', (before) => before?.value === ')'],
    ['PIVOT', (before) => endsOperand(before)],
    ['UNPIVOT', (before) => endsOperand(before)],
  ],
  sqlserver: [
    ...reserved('EXCEPT TOP'),
    ['APPLY', (before) => says(before, 'CROSS', 'OUTER')],
    ['OFFSET', (before) => endsOperand(before)],
    ['PATH', (before) => says(before, 'XML', 'JSON')],
    ['PIVOT', (before) => endsOperand(before)],
    ['UNPIVOT', (before) => endsOperand(before)],
  ],
}

/** Whether a word that a parenthesis follows is one of the statement's own, and calls nothing. */
export function isStructure(engine: SqlEngine, word: string, before: SqlToken | undefined): boolean {
  return STRUCTURE[engine].get(word)?.(before) === true
}

const STRUCTURE: Readonly<Record<SqlEngine, ReadonlyMap<string, Before>>> = {
  postgres: structure('postgres'),
  mysql: structure('mysql'),
  oracle: structure('oracle'),
  sqlserver: structure('sqlserver'),
}

function structure(engine: SqlEngine): ReadonlyMap<string, Before> {
  return new Map([...reserved(RESERVED), ...TOLD_BY_BEFORE, ...OWN[engine]])
}

function reserved(list: string): readonly (readonly [string, Before])[] {
  return list.split(/\s+/).map((word): [string, Before] => [word, () => true])
}

function isComparison(token: SqlToken | undefined): boolean {
  return token?.kind === 'symbol' && '=<>'.includes(token.value)
}

/** Whether something ends here that no call can follow: a parenthesis, or a name. */
function endsOperand(token: SqlToken | undefined): boolean {
  if (token === undefined || token.kind === 'symbol') return token?.value === ')'
  return token.kind !== 'word' || !isReserved(token.value)
}

/** Whether a word can be no name of anything, in no engine. */
export function isReserved(word: string): boolean {
  return RESERVED_WORDS.has(word)
}

const RESERVED_WORDS: ReadonlySet<string> = new Set(RESERVED.split(/\s+/))

function says(token: SqlToken | undefined, ...words: readonly string[]): boolean {
  return token?.kind === 'word' && words.includes(token.value)
}

function saying(message: string, list: string): readonly (readonly [string, string])[] {
  return list.split(/\s+/).map((word): [string, string] => [word, message])
}
