import { AdapterError } from '../../errors.ts'

/** What a text must look like to be read as a value; the server would make 0 or null of another, and only warn. */
const FORMS = {
  text: /^/,
  integer: /^-?\d{1,20}$/,
  decimal: /^-?\d+(\.\d+)?$/,
  float: /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i,
  date: /^\d{4}-\d\d-\d\d$/,
  datetime: /^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$/,
  time: /^-?\d{2,3}:\d\d:\d\d(\.\d{1,6})?$/,
  hex: /^([0-9a-f]{2})*$/i,
} as const

export type Form = keyof typeof FORMS

/** The place of a parameter in a statement that is being written: by its number, and with the form that it must have. */
export function placeholder(parameter: number, form: Form): string {
  return `?/*${parameter} ${form}*/`
}

/**
 * The parameters in the order of the question marks, which the server counts and does not number: the session logic
 * uses one twice, or out of order. Throws where one is not of its form.
 */
export function inOrder(text: string, parameters: readonly (string | null)[]): (string | null)[] {
  return [...text.matchAll(/\?\/\*(\d+) (\w+)\*\//g)].map(([, number, form = '']) => {
    const value = parameters[Number(number) - 1] ?? null
    if (value !== null && Object.hasOwn(FORMS, form) && !FORMS[form as Form].test(value))
      throw new AdapterError('ADAPTER_CONFIG_INVALID', `A value is no ${form}, as its column asks.`, {
        details: { badValue: true },
      })
    return value
  })
}
