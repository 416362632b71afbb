import type { Json } from '../../adapters/contract.ts'
import { ACTIONS, type Event, ORIGINS } from '../event.ts'
import type { Variables } from './expression-check.ts'
import type { FieldType, ObjectType } from './field-type.ts'

/**
 * The variables of a condition on events of one entity: `data`; `changed`, one true or false for
 * each top-level field of data, so that a slip in a name is found; and `event`.
 */
export function conditionVariables(data: ObjectType): Variables {
  const changed: Record<string, FieldType> = {}
  for (const name of Object.keys(data.fields)) changed[name] = { kind: 'boolean', nullable: false }
  const text: FieldType = { kind: 'string', nullable: false }
  return {
    data,
    changed: { kind: 'object', nullable: false, fields: changed },
    event: {
      kind: 'object',
      nullable: false,
      fields: {
        origin: { ...text, values: ORIGINS },
        action: { ...text, values: ACTIONS },
        source: text,
        subject: text,
        revision: { kind: 'integer', nullable: false },
      },
    },
  }
}

/**
 * What those variables are for one event. In an event that creates or deletes, every field counts
 * as changed.
 */
export function conditionValues(data: ObjectType, event: Event): Readonly<Record<string, Json>> {
  const action = event.type.split('.').at(-2) ?? ''
  const names = action === 'changed' ? (event.changedfields ?? '').split(',') : null
  const changed: Record<string, Json> = {}
  for (const name of Object.keys(data.fields)) changed[name] = names === null || names.includes(name)
  const { origin, source, subject, revision } = event
  return { data: event.data, changed, event: { origin, action, source, subject, revision } }
}
