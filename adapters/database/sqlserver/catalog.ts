import type { Bind, Statement } from '../transport.ts'
import { binding } from '../transport.ts'
import { catalog, literal, quoteTable } from './names.ts'

/** Rows of one column: names of the columns of a table that are never null. */
export function nullableNever(table: string, bind: Bind): string {
  return `SELECT c.name FROM ${catalog(table, 'columns')} c WHERE c.object_id = ${objectId(table, bind)} AND c.is_nullable = 0`
}

/** Null where an index begins with the column, or else what a person should know. */
export function cursorIndex(table: string, column: string): Statement {
  const { parameters, bind } = binding()
  const object = objectId(table, bind)
  return {
    text: `SELECT CASE WHEN NOT EXISTS (${indexesBeginning(table, 'o.object_id', `@p${bind(column)}`)})
      THEN N'No index of ${literal(table)} begins with ${literal(column)}: every poll reads the whole table.' END
      FROM ${catalog(table, 'objects')} o WHERE o.object_id = ${object} AND o.type = 'U'`,
    parameters,
  }
}

/** Indexes of a table that can find the highest value of a column at once. */
export function indexesBeginning(table: string, object: string, column: string): string {
  return `SELECT 1 FROM ${catalog(table, 'indexes')} i
    JOIN ${catalog(table, 'index_columns')} k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal = 1
    JOIN ${catalog(table, 'columns')} c ON c.object_id = k.object_id AND c.column_id = k.column_id
    WHERE i.object_id = ${object} AND i.is_disabled = 0 AND i.is_hypothetical = 0 AND i.has_filter = 0 AND c.name = ${column}`
}

/** A note where the account may do more than read. */
export function writable(table: string): Statement {
  const { parameters, bind } = binding()
  const name = `@p${bind(quoteTable(table))}`
  const may = ['INSERT', 'UPDATE', 'DELETE'].map(
    (right) => `HAS_PERMS_BY_NAME(${name}, 'OBJECT', '${right}') = 1`,
  )
  return {
    text: `SELECT N'The account may change ${literal(table)}; grant it SELECT and nothing else.', N'warning' WHERE ${may.join(' OR ')}`,
    parameters,
  }
}

/** A note where nothing keeps rows from sharing the key of the feed. */
export function uniqueness(table: string, key: readonly string[]): Statement {
  const { parameters, bind } = binding()
  const object = objectId(table, bind)
  const names = key.map((column) => `@p${bind(column)}`).join(', ')
  return {
    text: `SELECT N'No unique index of ${literal(table)} lies within ${literal(key.join(', '))}: rows that share a key are rejected.'
      FROM ${catalog(table, 'objects')} o WHERE o.object_id = ${object} AND o.type = 'U' AND NOT EXISTS (
        SELECT 1 FROM ${catalog(table, 'indexes')} i
        WHERE i.object_id = o.object_id AND i.is_unique = 1 AND i.is_disabled = 0 AND i.has_filter = 0 AND NOT EXISTS (
          SELECT 1 FROM ${catalog(table, 'index_columns')} k
          JOIN ${catalog(table, 'columns')} c ON c.object_id = k.object_id AND c.column_id = k.column_id
          WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0 AND c.name NOT IN (${names})))`,
    parameters,
  }
}

/**
 * A note for each of these columns whose texts the database would compare in another code page or order than they are
 * kept in: a parameter has the collation of the database.
 */
export function otherCollation(table: string, columns: readonly string[]): Statement {
  const { parameters, bind } = binding()
  const object = objectId(table, bind)
  const names = columns.map((column) => `@p${bind(column)}`).join(', ')
  return {
    text: `SELECT N'Column ' + c.name + N' of ${literal(table)} has the collation ' + c.collation_name + N', the database another: rows may be missed. Read it by a select that casts it to nvarchar, with COLLATE DATABASE_DEFAULT.'
      FROM ${catalog(table, 'columns')} c WHERE c.object_id = ${object} AND c.name IN (${names})
        AND c.collation_name <> CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS nvarchar(128))`,
    parameters,
  }
}

/** The number of a table in the catalog; null where it is not there, or not to be seen. */
export function objectId(table: string, bind: Bind): string {
  return `OBJECT_ID(@p${bind(quoteTable(table))})`
}
