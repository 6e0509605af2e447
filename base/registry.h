// Maps names to factories of one kind of part. Static initialisers in the libraries that
// a program links fill it.
//
// Example:
//   Registry<std::function<int()>> registry;
//   registry.Add("seven", [] { return 7; });
//   RCNN_ASSIGN_OR_RETURN(const auto* make, registry.Find("backbone.name", "seven"));
//   const int seven = (*make)();

#ifndef RCNN_BASE_REGISTRY_H_
#define RCNN_BASE_REGISTRY_H_

#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "glog/logging.h"

namespace rcnn {

template <typename Maker>
class Registry {
 public:
  // Ends the process if `name` is already registered. Not thread-safe: for static
  // initialisers.
  bool Add(const std::string& name, Maker maker) {
    CHECK(makers_.emplace(name, std::move(maker)).second) << name << " is registered twice";
    return true;
  }

  // kInvalidArgument, listing the registered names, if `name` is not one of them. `kind`
  // is the field of the config.
  absl::StatusOr<const Maker*> Find(absl::string_view kind, const std::string& name) const {
    const auto found = makers_.find(name);
    if (found != makers_.end()) return &found->second;
    return absl::InvalidArgumentError(absl::StrCat(
        kind, " '", name, "' is not registered in this program (registered: ",
        makers_.empty()
            ? "none"
            : absl::StrJoin(makers_, ", ",
                            [](std::string* out, const auto& entry) { out->append(entry.first); }),
        "); link the program with the library that registers it (docs/extending.md)"));
  }

 private:
  std::map<std::string, Maker> makers_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_REGISTRY_H_
