import type { Json } from '../../adapters/contract.ts'
import { compileExpression, type Evaluated } from './expression.ts'
import type { FieldType } from './field-type.ts'
import type { Compiling, Scope } from './rule.ts'
import { noteRead, pathFrom } from './source-field.ts'
import { mistakeAt, type Written } from './written.ts'

/** An expression on a row: `record` is the row, `parent` the row around it. */
export type RowExpression = Readonly<{ kind: FieldType['kind']; evaluate(scope: Scope): Evaluated }>

/**
 * Compiles a written expression; null when it has a mistake, which is reported at the character it
 * stands at.
 */
export function compileRowExpression(
  written: Written | null,
  gives: FieldType['kind'] | null,
  compiling: Compiling,
): RowExpression | null {
  if (written?.kind !== 'text') {
    if (written !== null) compiling.mistakes.push(mistakeAt(written, 'an expression is a text'))
    return null
  }
  const where = { ...written.place, field: written.path }
  const compiled = compileExpression(
    written.text,
    compiling.expressions(compiling.rows.length > 1),
    where,
    gives,
  )
  if (compiled.kind === 'invalid') {
    compiling.mistakes.push({ ...compiled.mistake, ...written.placeIn(compiled.offset) })
    return null
  }
  const { expression } = compiled
  for (const [ups, variable] of ['record', 'parent'].entries()) {
    const asked = expression.asks.get(variable) ?? []
    for (const name of expression.reads.get(variable) ?? []) {
      const path = pathFrom(compiling, ups, [name])
      const given = asked.includes(name) ? [...compiling.given, path] : compiling.given
      noteRead(written, path, { ...compiling, given })
    }
  }
  return {
    kind: expression.kind,
    evaluate(scope) {
      const values: Record<string, Json> = { record: scope.row }
      if (scope.parent !== null) values['parent'] = scope.parent.row
      return expression.evaluate(values)
    },
  }
}
