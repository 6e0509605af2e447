#include "rcnn/ops/unchecked_values.h"

#include <utility>

namespace rcnn::ops {
namespace {

thread_local bool values_are_checked = true;

}  // namespace

UncheckedValues::UncheckedValues() : checked_before_(std::exchange(values_are_checked, false)) {}

UncheckedValues::~UncheckedValues() { values_are_checked = checked_before_; }

bool ValuesAreChecked() { return values_are_checked; }

}  // namespace rcnn::ops
