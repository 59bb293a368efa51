/** Who asks: requests of one caller wait in their order, and callers take turns. */

const callers = new WeakMap<object, object>()

/** The request is one of this caller's. */
export const mark = <A extends object>(request: A, caller: object): A => {
  callers.set(request, caller)
  return request
}

/** `undefined`: it is not known. */
export const of = (request: object): object | undefined => callers.get(request)
