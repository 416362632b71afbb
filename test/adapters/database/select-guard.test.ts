import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { reviewHash, selectFaults } from '../../../adapters/database/select-guard.ts'
import type { SqlEngine } from '../../../adapters/database/sql-tokens.ts'
import { HONEST, HOSTILE } from './selects.ts'

const ENGINES: readonly SqlEngine[] = ['postgres', 'mysql', 'oracle', 'sqlserver']

const everyHostile = ENGINES.flatMap((engine) =>
  HOSTILE[engine].map(([select, reason]) => ({ engine, select, reason })),
)
const everyHonest = ENGINES.flatMap((engine) => HONEST[engine].map((select) => ({ engine, select })))

describe('a configured select', () => {
  test('is refused where it does more than read, with the reason', () => {
    const missed = everyHostile.filter(({ engine, select, reason }) => {
      const messages = selectFaults(select, engine, undefined).map(({ message }) => message)
      return !messages.some((message) => message.includes(reason))
    })
    expect(missed.map((one) => [one, selectFaults(one.select, one.engine, undefined)])).toEqual([])
    expect(everyHostile.length).toBeGreaterThan(100)
  })

  test('passes where it only reads, as people write it over K/3, U8, EBS and SAP tables', () => {
    const refused = everyHonest.map(({ engine, select }) => ({
      engine,
      select,
      faults: selectFaults(select, engine, undefined),
    }))
    expect(refused.filter(({ faults }) => faults.length > 0)).toEqual([])
    expect(everyHonest.length).toBeGreaterThan(40)
  })

  test('passes whole once it was reviewed, and not a letter later', () => {
    const select = 'SELECT dbo.balance(id) AS balance FROM account'
    const [fault] = selectFaults(select, 'sqlserver', undefined)
    const hash = reviewHash(select)
    expect(fault?.message).toContain(`reviewed: ${hash}`)
    expect(selectFaults(select, 'sqlserver', hash)).toEqual([])
    const [changed] = selectFaults(`${select} `, 'sqlserver', hash)
    expect(changed?.message).toContain('not the text that was reviewed')
    const [stale] = selectFaults('SELECT 1', 'sqlserver', hash)
    expect(stale?.message).toContain('not the text that was reviewed')
  })

  test('is refused at the place to blame', () => {
    const select = 'SELECT a,\n  pg_sleep(9),\n  b\nFROM t FOR UPDATE'
    const places = selectFaults(select, 'postgres', undefined).map(({ at }) => select.slice(at, at + 8))
    expect(places).toEqual(['pg_sleep', 'FOR UPDA', 'UPDATE'])
  })
})

/** Pieces of SQL that mean something together, in any order: what people write, and what others try. */
const PIECES = [
  'SELECT',
  'FROM',
  't',
  'a',
  ',',
  '(',
  ')',
  "'x'",
  "''",
  "'",
  '"',
  '[',
  ']',
  '`',
  ';',
  '--',
  '/*',
  '*/',
  '\n',
  ' ',
  '\\',
  'DELETE FROM t',
  'INTO',
  'WITH',
  'AS',
  'UNION',
  'ALL',
  'FOR UPDATE',
  'evil(1)',
  '$$',
  '$a$',
  "q'[",
  "]'",
  "E'",
  "N'",
  '#',
  '@',
  ':',
  '.',
  '1',
  '0x',
  'e5',
  '=',
  '-',
  '*',
  '/*!',
  '\r\n',
  "FOR XML PATH('')",
  'lower(a)',
] // prettier-ignore

const anySql = fc
  .array(fc.constantFrom(...PIECES), { maxLength: 14 })
  .map((pieces) => `SELECT ${pieces.join('')}`)
const spacedSql = fc
  .array(fc.constantFrom(...PIECES), { maxLength: 14 })
  .map((pieces) => `SELECT ${pieces.join(' ')}`)

describe('whatever is written', () => {
  test.for(ENGINES)(
    'to %s, what passes is one statement that calls nothing strange and writes nothing',
    (engine) => {
      fc.assert(
        fc.property(fc.oneof(anySql, spacedSql), (select) => {
          if (selectFaults(select, engine, undefined).length > 0) return
          const bare = withoutQuotes(select, engine).replace(
            /(?<![\w$#])(?!(?:select|from|as|all|union)(?![\w$#]))[\w$#]+(?:\s*\.\s*[\w$#]*)+/gi,
            ' ',
          )
          expect(bare).not.toMatch(/;|(?<![\w$#])(?:(?:into|delete|for\s+update)(?![\w$#])|evil\s*\()/i)
        }),
        { numRuns: 20_000, seed: 5 },
      )
    },
  )

  test.for(ENGINES)('to %s, white space and comments between words change nothing', (engine) => {
    const filler = fc.constantFrom(' ', '\n', '\t', ' /* a */ ', '\r\n', ' -- b\n')
    fc.assert(
      fc.property(fc.constantFrom(...HOSTILE[engine].map(([select]) => select)), filler, (select, space) => {
        fc.pre(/^[\w ,.;()=*@]+$/.test(select))
        expect(selectFaults(select.replaceAll(' ', space), engine, undefined)).not.toEqual([])
      }),
      { numRuns: 500, seed: 5 },
    )
  })

  test.for(ENGINES)('to %s behind an honest select, a second statement is refused', (engine) => {
    fc.assert(
      fc.property(
        fc.constantFrom(...HONEST[engine]),
        fc.constantFrom('; DROP TABLE t', ' ;', ') q; DELETE FROM t --', '\nSELECT 1', ' /**/ INTO x'),
        (select, more) => {
          // Behind a comment that runs to the end of the line, more begins on the next one.
          expect(selectFaults(`${select}\n${more}`, engine, undefined)).not.toEqual([])
        },
      ),
      { seed: 5 },
    )
  })
})

/**
 * A reader of its own, by one expression: what stands outside of quotes and comments, which become a name.
 * Written apart from the tokens, so that a slip of theirs shows.
 */
function withoutQuotes(select: string, engine: SqlEngine): string {
  const patterns: Readonly<Record<SqlEngine, RegExp>> = {
    postgres:
      /\bE'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![\w$])\$(a?)\$[\s\S]*?\$\1\$|--.*/gi,
    mysql: /'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"\\]|""|\\[\s\S])*"|`(?:[^`]|``)*`|--.*|#.*|\/\*[\s\S]*?\*\//g,
    oracle: /\bN?q'\[[\s\S]*?\]'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--.*|\/\*[\s\S]*?\*\//gi,
    sqlserver: /'(?:[^']|'')*'|"(?:[^"]|"")*"|\[(?:[^\]]|\]\])*\]|--.*/g,
  }
  const nests = engine === 'postgres' || engine === 'sqlserver'
  return nests ? withoutNested(select, patterns[engine]) : select.replace(patterns[engine], ' q ')
}

/** The same where comments nest, which no expression can say. */
function withoutNested(select: string, quoted: RegExp): string {
  const piece = new RegExp(quoted.source, quoted.flags.replace('g', 'y'))
  let bare = ''
  for (let at = 0, depth = 0; at < select.length; ) {
    const two = select.slice(at, at + 2)
    piece.lastIndex = at
    const found = depth === 0 ? piece.exec(select) : null
    const isMark = two === '/*' || (two === '*/' && depth > 0)
    if (isMark) depth += two === '/*' ? 1 : -1
    bare += found !== null ? ' q ' : isMark || depth > 0 ? ' ' : two.slice(0, 1)
    at += found?.[0].length ?? (isMark ? 2 : 1)
  }
  return bare
}
