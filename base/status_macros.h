// Early return on a failed absl::Status or absl::StatusOr, with context.
//
// Use them in every function that returns Status or StatusOr and calls another
// such function. Not for c10::Error, which operators in ops/ throw.
//
// Example:
//   absl::StatusOr<Report> Load(const std::string& path) {
//     RCNN_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path));
//     RCNN_ASSIGN_OR_RETURN(Report report, Parse(bytes), path);
//     RCNN_RETURN_IF_ERROR(report.Check(), absl::StrCat("in ", path));
//     return report;
//   }

#ifndef RCNN_BASE_STATUS_MACROS_H_
#define RCNN_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// Returns `status` with its message preceded by "context: ", and the same code and
// payloads. With an OK status or an empty context, returns `status` unchanged.
inline absl::Status Annotate(const absl::Status& status, absl::string_view context = {}) {
  if (status.ok() || context.empty()) return status;
  absl::Status annotated(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

}  // namespace rcnn

// RCNN_RETURN_IF_ERROR(status) or RCNN_RETURN_IF_ERROR(status, context):
// returns from the enclosing function when `status` is not OK. `context`, any
// string, is evaluated only then.
#define RCNN_RETURN_IF_ERROR(...) \
  RCNN_STATUS_PICK_(__VA_ARGS__, RCNN_RETURN_IF_ERROR_2_, RCNN_RETURN_IF_ERROR_1_, )(__VA_ARGS__)

// RCNN_ASSIGN_OR_RETURN(lhs, status_or) or
// RCNN_ASSIGN_OR_RETURN(lhs, status_or, context): moves the value into `lhs`,
// which may declare a variable, or returns the error from the enclosing
// function. A type with a comma in it needs an alias or auto.
#define RCNN_ASSIGN_OR_RETURN(...)                                                       \
  RCNN_STATUS_PICK_4_(__VA_ARGS__, RCNN_ASSIGN_OR_RETURN_3_, RCNN_ASSIGN_OR_RETURN_2_, ) \
  (__VA_ARGS__)

#define RCNN_STATUS_PICK_(a, b, macro, ...) macro
#define RCNN_STATUS_PICK_4_(a, b, c, macro, ...) macro
#define RCNN_STATUS_JOIN_2_(a, b) a##b
#define RCNN_STATUS_JOIN_(a, b) RCNN_STATUS_JOIN_2_(a, b)

#define RCNN_RETURN_IF_ERROR_1_(expression) RCNN_RETURN_IF_ERROR_2_(expression, "")
#define RCNN_RETURN_IF_ERROR_2_(expression, context)                    \
  do {                                                                  \
    if (absl::Status rcnn_status_ = (expression); !rcnn_status_.ok()) { \
      return ::rcnn::Annotate(rcnn_status_, context);                   \
    }                                                                   \
  } while (false)

#define RCNN_ASSIGN_OR_RETURN_2_(lhs, expression) RCNN_ASSIGN_OR_RETURN_3_(lhs, expression, "")
#define RCNN_ASSIGN_OR_RETURN_3_(lhs, expression, context)                                   \
  RCNN_ASSIGN_OR_RETURN_IMPL_(RCNN_STATUS_JOIN_(rcnn_status_or_, __LINE__), lhs, expression, \
                              context)
#define RCNN_ASSIGN_OR_RETURN_IMPL_(status_or, lhs, expression, context)     \
  auto status_or = (expression);                                             \
  if (!status_or.ok()) return ::rcnn::Annotate(status_or.status(), context); \
  lhs = *std::move(status_or)

#endif  // RCNN_BASE_STATUS_MACROS_H_
