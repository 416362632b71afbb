import type { CommitOrdered } from '../transport.ts'
import { binding } from '../transport.ts'
import { indexesBeginning, objectId } from './catalog.ts'
import { catalog, literal, quote, quoteTable } from './names.ts'

/** What SQL Server knows of the order in which changes were committed: rowversion, and Change Tracking. */
export const commitOrdered: CommitOrdered = {
  column(table) {
    const { parameters, bind } = binding()
    const object = objectId(table, bind)
    return {
      text: `SELECT r.name, CASE WHEN NOT EXISTS (${indexesBeginning(table, 'r.object_id', 'r.name')})
        THEN N'No index of ${literal(table)} begins with its rowversion: every poll reads the whole table.' END
        FROM ${catalog(table, 'columns')} r WHERE r.object_id = ${object} AND r.system_type_id = 189`,
      parameters,
    }
  },
  // Babelfish does not know it, and answers with an error; @@DBTS in its place would pass over what is not committed yet.
  bound: 'MIN_ACTIVE_ROWVERSION()',
  tracked: {
    versions(table) {
      const { parameters, bind } = binding()
      const object = objectId(table, bind)
      return {
        text: `SELECT CAST(CHANGE_TRACKING_CURRENT_VERSION() AS varchar(20)), CAST(CHANGE_TRACKING_MIN_VALID_VERSION(t.object_id) AS varchar(20))
          FROM ${catalog(table, 'change_tracking_tables')} t WHERE t.object_id = ${object}`,
        parameters,
      }
    },
    changes(table, key, after, bind) {
      const version = `CAST(@p${bind(after)} AS bigint)`
      const columns = key.map((column, index) => `c.${quote(column)} AS v${index + 1}`)
      return `(SELECT ${columns.join(', ')}, CASE c.SYS_CHANGE_OPERATION WHEN 'D' THEN 1 ELSE 0 END AS deleted, c.SYS_CHANGE_VERSION AS version
        FROM CHANGETABLE(CHANGES ${quoteTable(table)}, ${version}) AS c) AS h`
    },
  },
}
