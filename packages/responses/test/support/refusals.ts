/** What servers say to a `previous_response_id` that they will not continue, and what only looks like it. */

const invalid = (error: object) => ({ status: 400, error: { type: "invalid_request_error", ...error } })

/** To a request that named `resp_1`. */
export const refusals: Readonly<Record<string, object>> = {
  "not found": invalid({
    code: "previous_response_not_found",
    message: "Previous response with id 'resp_1' not found.",
    param: "previous_response_id"
  }),
  "not found, untyped": { error: { message: "Response with id=resp_1 not found", type: "api_error" } },
  "no code and no parameter": invalid({ message: "Invalid `previous_response_id`." }),
  "zero data retention": invalid({
    code: null,
    param: "previous_response_id",
    message: "Previous response cannot be used for this organization due to Zero Data Retention."
  }),
  "zero data retention, without the parameter": invalid({ message: "Not available with zero data retention." }),
  "unsupported parameter": invalid({
    code: "unsupported_parameter",
    param: "previous_response_id",
    message: "Unsupported parameter: previous_response_id"
  }),
  "the parameter alone": invalid({ param: "previous_response_id", message: "Not allowed" }),
  "the parameter with its path": invalid({ param: "body.previous_response_id", message: "Not allowed" }),
  "another spelling": invalid({ message: "previousResponseId is not supported by this model" }),
  "a code of a gateway's": { error: { code: "response_not_found", message: "Gone" } },
  "a detail": { status: 400, detail: "Unsupported parameter: previous_response_id" },
  "a located detail": { status: 422, detail: [{ loc: ["body", "previous_response_id"], msg: "Extra inputs" }] },
  "an upstream's, in words": {
    error: {
      message: "Upstream returned HTTP 400: {\"detail\":\"Unsupported parameter: previous_response_id\"}",
      type: "upstream_error"
    }
  },
  "the id in other words": { error: { message: "Prediction history node with id 'resp_1' not found" } },
  "untyped, and refused": { error: { message: "The response id cannot be used", type: "api_error" } },
  "403": { status: 403, error: { code: "permission_denied", message: "previous_response_id is not yours" } },
  "404": { status: 404, error: { type: "not_found_error", message: "Response with id 'resp_1' not found." } },
  "404 as a code": { error: { code: 404, message: "Response with id 'resp_1' not available", param: "response_id" } },
  "409": { status: 409, error: { message: "The previous response is still running" } },
  "422": { status: 422, error: { message: "previous_response_id: extra fields not permitted" } },
  "the status under another name": { status_code: 400, error: { message: "No previous response of that name" } }
}

/** To the same request. */
export const notRefusals: Readonly<Record<string, object>> = {
  "a bad tool": invalid({ code: "invalid_function_parameters", param: "tools[0].parameters", message: "No object" }),
  "a call without output": invalid({ message: "No tool output found for function call call_1.", param: "input" }),
  "the format of a response": invalid({ param: "response_format", message: "Unknown response format id" }),
  "too many tokens": invalid({ code: "context_length_exceeded", message: "Your input exceeds the context window" }),
  "an item that was not stored": {
    status: 404,
    error: { message: "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false." }
  },
  "another response": invalid({ message: "resp_12 is busy" }),
  "a key": { status: 401, error: { message: "No key, so no previous_response_id" } },
  "a rate limit": { status: 429, error: { message: "Too many uses of previous_response_id" } },
  "a rate limit without a status": { error: { code: "rate_limit_exceeded", message: "previous_response_id" } },
  "a fault of the server's": { status: 500, error: { message: "Cannot load previous_response_id" } },
  "overload": { status: 503, error: { message: "previous_response_id cannot be loaded now" } },
  "a fault that names the parameter, without a status": {
    error: { code: "server_error", message: "previous response" }
  }
}
