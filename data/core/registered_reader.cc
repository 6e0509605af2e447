#include "rcnn/data/core/registered_reader.h"

#include <utility>

#include "rcnn/base/registry.h"

namespace rcnn::data {
namespace {

Registry<TableReader>& Readers() {
  static auto* const readers = new Registry<TableReader>();
  return *readers;
}

}  // namespace

bool RegisterReader(const std::string& name, TableReader read) {
  return Readers().Add(name, std::move(read));
}

absl::StatusOr<const TableReader*> FindReader(const std::string& name) {
  return Readers().Find("registered.name", name);
}

}  // namespace rcnn::data
