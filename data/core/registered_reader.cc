#include "rcnn/data/core/registered_reader.h"

#include <utility>

#include "rcnn/base/registry.h"

namespace rcnn::data {
namespace {

Registry<ReadTable>& Readers() {
  static auto* const readers = new Registry<ReadTable>();
  return *readers;
}

}  // namespace

bool RegisterReader(const std::string& name, ReadTable read) {
  return Readers().Add(name, std::move(read));
}

absl::StatusOr<const ReadTable*> FindReader(const std::string& name) {
  return Readers().Find("registered.name", name);
}

}  // namespace rcnn::data
